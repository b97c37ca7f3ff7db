/** The questions about cases, clauses and suggestions. The first word of a key is what live events invalidate. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Advice, Case, Clause } from "./types";

/** What a suggestion is for: an alert nobody has answered yet, or an incident that is open. */
export type Asked = { of: "alert" | "incident"; id: string };

export const useAdvice = ({ of, id }: Asked) =>
  useQuery({
    queryKey: ["suggestion", of, id],
    queryFn: () =>
      get<Advice>(
        of === "alert"
          ? `/api/alerts/${encodeURIComponent(id)}/suggestion`
          : `/api/incidents/${encodeURIComponent(id)}/suggestions`,
      ),
    placeholderData: undefined,
  });

export interface CaseFilter {
  kind: string | null;
  level: string | null;
  text: string | null;
}

interface CasePage {
  items: Case[];
  total: number;
  next: number | null;
}

export const useCases = (filter: CaseFilter) =>
  useInfiniteQuery({
    queryKey: ["cases", filter.kind, filter.level, filter.text],
    queryFn: ({ pageParam }) => get<CasePage>("/api/cases", { ...filter, after: pageParam, limit: 100 }),
    initialPageParam: null as number | null,
    getNextPageParam: (last) => last.next,
  });

export const useCase = (id: string) =>
  useQuery({
    queryKey: ["cases", "one", id],
    queryFn: () => get<Case>(`/api/cases/${encodeURIComponent(id)}`),
    placeholderData: undefined,
  });

export const useClauses = () =>
  useQuery({ queryKey: ["clauses"], queryFn: async () => (await get<{ items: Clause[] }>("/api/clauses")).items });
