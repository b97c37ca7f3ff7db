/** Long work that people ask for: looked at again every second while it is under way, and when the city tells of its end. */

import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get, query } from "../api/client";
import type { Iso, Text } from "../api/types";

export type JobState = "waiting" | "running" | "done" | "failed" | "stopped" | "interrupted";

export interface Job<Result = unknown, Given = Record<string, unknown>> {
  id: string;
  kind: string;
  kind_title: Text;
  about: string | null;
  title: Text;
  path: string | null;
  by: { id: string; name: Text };
  mine: boolean;
  given: Given;
  state: JobState;
  /** It runs, and ends at its next step. */
  stopping: boolean;
  /** How many were asked for before it and are not over, while it waits. */
  before: number | null;
  done: number;
  /** 0 until it is known how much there is to do. */
  total: number;
  share: number;
  unit: Text | null;
  asked_at: Iso;
  began_at: Iso | null;
  ended_at: Iso | null;
  seconds: number | null;
  stopped_by: { id: string; name: Text } | null;
  failure: Text | null;
  result: Result | null;
  expires_at: Iso | null;
  may: { stop: boolean };
}

interface Page {
  items: Job[];
  total: number;
  next: string | null;
}

const AGAIN_MS = 1_000;

export const underWay = ({ state }: Pick<Job, "state">) => state === "waiting" || state === "running";

const one = <J extends Job>(id: string) => get<J>(`/api/jobs/${encodeURIComponent(id)}`);

export const useJob = <J extends Job>(id: string) =>
  useQuery({
    queryKey: ["jobs", "one", id],
    queryFn: () => one<J>(id),
    refetchInterval: ({ state }) => (state.data && underWay(state.data) ? AGAIN_MS : false),
  });

/** The newest job of one of these kinds with what came of it, or null; one's own, or whoever's. */
export const useNewestJob = <J extends Job>(kinds: readonly string[], mine: boolean) =>
  useQuery({
    queryKey: ["jobs", "newest", kinds, mine],
    queryFn: async () => {
      const asked = kinds.map((kind) => `&kind=${encodeURIComponent(kind)}`).join("");
      const found = (await get<Page>(`/api/jobs${query({ mine, limit: 1 })}${asked}`)).items[0];
      if (found === undefined) return null;
      return underWay(found) ? (found as J) : one<J>(found.id); // only what came of it is longer than in a list
    },
    refetchInterval: ({ state }) => (state.data && underWay(state.data) ? AGAIN_MS : false),
  });

export const useJobs = (mine: boolean) =>
  useInfiniteQuery({
    queryKey: ["jobs", "list", mine],
    queryFn: ({ pageParam }) => get<Page>("/api/jobs", { mine, limit: 50, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.pages[0]?.items.some(underWay) ? AGAIN_MS : false),
  });
