/** What came of files of a hotline, as the city's HTTP API shows it, and the questions about it. */

import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Iso, Text } from "../api/types";

/** How many rows of a file became what. Of the new ones some opened a matter, the others joined one. */
export interface Counts {
  new: number;
  same: number;
  revised: number;
  refused: number;
  matters: number;
  mended: number;
}

interface Done<Type extends string, Data> {
  id: string;
  type: Type;
  at: Iso;
  actor: string;
  actor_name: Text | null;
  data: Data;
}

export interface Desk {
  items: (
    | Done<"intake.taken", Counts & { file: string; source: string; sha256: string; bytes: number }>
    | Done<"intake.dismissed", { rows: number; reason: string; file?: string | null; code?: string | null }>
  )[];
  next: number | null;
  most_bytes: number;
  most_rows: number;
}

export interface Sought {
  state: "waiting" | "mended" | "dismissed";
  file: string | null;
  code: string | null;
}

export interface Refused {
  id: string;
  file: string;
  row: number;
  code: string;
  message: Text;
  raw: string;
  at: Iso;
  state: Sought["state"];
}

export interface RefusedPage {
  items: Refused[];
  total: number;
  /** How many there are by value, each among those that the other choices leave. */
  facets: Record<"file" | "code" | "state", Record<string, number>>;
  reasons: Record<string, Text>;
  next: string | null;
}

export const useDesk = (enabled: boolean) =>
  useInfiniteQuery({
    queryKey: ["matters", "files"],
    queryFn: ({ pageParam }) => get<Desk>("/api/reports/files", { before: pageParam, limit: 30 }),
    initialPageParam: null as number | null,
    getNextPageParam: (last) => last.next,
    enabled,
  });

export const useRefused = (sought: Sought) =>
  useInfiniteQuery({
    queryKey: ["matters", "refused", sought],
    queryFn: ({ pageParam }) => get<RefusedPage>("/api/reports/refused", { ...sought, after: pageParam, limit: 100 }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
  });

/** How many rows wait for somebody to look at them, all in all and by file. */
export const useWaiting = (enabled: boolean) =>
  useQuery({
    queryKey: ["matters", "refused", "count"],
    queryFn: () => get<RefusedPage>("/api/reports/refused", { limit: 1 }),
    enabled,
  });
