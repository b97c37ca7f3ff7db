/** The questions about cases and clauses. The first word of a key is what live events invalidate. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Case, Clause, Replaced } from "./types";

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

/** The versions that newer ones took the place of, the newest first. */
export const useReplaced = (id: string) =>
  useQuery({
    queryKey: ["cases", "replaced", id],
    queryFn: async () => (await get<{ items: Replaced[] }>(`/api/cases/${encodeURIComponent(id)}/revisions`)).items,
    placeholderData: undefined,
  });

export const useClauses = () =>
  useQuery({ queryKey: ["clauses"], queryFn: async () => (await get<{ items: Clause[] }>("/api/clauses")).items });
