/** The event log, newest first, and its proof. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Iso, Text } from "../api/types";
import type { Job } from "../jobs/queries";

export interface Entry {
  seq: number;
  id: string;
  type: string;
  stream: string;
  at: Iso;
  actor: string;
  actor_name: Text | null;
  actor_department: string | null;
  title: Text | null;
  restricted: boolean;
  data: Record<string, unknown>;
  prev: string;
  hash: string;
}

export interface Kind {
  type: string;
  kind: string;
  title: Text;
  restricted: boolean;
}

export type Filter = Record<"actor" | "department" | "kind" | "about", string> & {
  restricted: boolean | null;
  since: Iso | null;
  until: Iso | null;
};

interface Page {
  items: Entry[];
  next: number | null;
  looked_to: Iso | null;
}

// not refreshed by what happens: whoever reads the log reads from the moment it was asked for
export const useLog = (filter: Filter) =>
  useInfiniteQuery({
    queryKey: ["declared", "audit", filter],
    queryFn: ({ pageParam }) => get<Page>("/api/audit", { ...filter, limit: 100, before: pageParam }),
    initialPageParam: null as number | null,
    getNextPageParam: ({ next }) => next,
    placeholderData: (before) => before,
    staleTime: 5_000,
  });

export const useKinds = () =>
  useQuery({
    queryKey: ["declared", "audit-kinds"],
    queryFn: async () => (await get<{ items: Kind[] }>("/api/audit/kinds")).items,
    staleTime: 600_000,
  });

export interface Fault {
  stream: string;
  n: number;
  what: "missing" | "order" | "content" | "seal" | "proof";
}

export interface Proof {
  at: Iso;
  by: string;
  events: number;
  breaks: number;
  digest: string;
  upto: number;
}

/** What came of a verification. */
export interface Proven {
  events: number;
  streams: number;
  seals: number;
  breaks: number;
  seconds: number;
  digest: string;
  upto: number;
  faults: Fault[];
}

export type Verification = Job<Proven>;

/** What was proven before, the newest first. */
export const useProofs = () =>
  useQuery({
    queryKey: ["verification"],
    queryFn: async () => (await get<{ items: Proof[] }>("/api/audit/verification")).items,
  });
