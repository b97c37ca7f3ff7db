/** What the pages of account ask. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import { useMay } from "../api/queries";
import type { Iso, Page } from "../api/types";
import type { Appeal, AppealState, Counted, Formula, Report, Scores, Story } from "./types";

const PAGE = 100;

export const useReport = (from: Iso | null, to: Iso | null) =>
  useQuery({
    queryKey: ["scores", "report", from, to],
    queryFn: () => get<Report>("/api/scores/report", { from, to }),
    staleTime: 30_000,
  });

/** The scores of a period; with `known` as they were before appeals decided at that moment or later. */
export const useScores = (from: Iso | null, to: Iso | null, known: Iso | null = null, enabled = true) =>
  useQuery({
    queryKey: ["scores", "of", from, to, known],
    queryFn: () => get<Scores>("/api/scores", { from, to, known }),
    enabled,
    placeholderData: undefined,
    staleTime: 30_000,
  });

/** The tasks behind a share, page by page. */
export const useCounted = (
  department: string,
  rate: string,
  from: Iso | null,
  to: Iso | null,
  counts: boolean | null,
) =>
  useInfiniteQuery({
    queryKey: ["scores", "behind", department, rate, from, to, counts],
    queryFn: ({ pageParam }) =>
      get<{ items: Counted[]; total: number; next: number | null }>(
        `/api/scores/${encodeURIComponent(department)}/events`,
        {
          rate,
          from,
          to,
          counts,
          after: pageParam,
          limit: PAGE,
        },
      ),
    initialPageParam: 0,
    getNextPageParam: ({ next }) => next ?? undefined,
    placeholderData: undefined,
  });

export const useStory = (task: string) =>
  useQuery({
    queryKey: ["scores", "story", task],
    queryFn: () => get<Story>(`/api/scores/items/${encodeURIComponent(task)}`),
    placeholderData: undefined,
  });

export const useFormulas = () =>
  useQuery({
    queryKey: ["scores", "formulas"],
    queryFn: async () => (await get<Page<Formula>>("/api/formulas")).items,
  });

/** Appeals, newest first, page by page. */
export const useAppeals = (state: AppealState | null, enabled = true) =>
  useInfiniteQuery({
    queryKey: ["scores", "appeals", state],
    queryFn: ({ pageParam }) => get<Page<Appeal>>("/api/appeals", { state, after: pageParam, limit: PAGE }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next ?? undefined,
    enabled,
  });

/** Whoever may file, decide or read the log sees appeals: a clerk those of the own department. */
export function useSeesAppeals(): boolean {
  const file = useMay("appeal.file");
  const decide = useMay("appeal.decide");
  const log = useMay("event.read");
  return file || decide || log;
}
