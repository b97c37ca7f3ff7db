/** The questions about subjects. The first word of a key is what live events invalidate. */

import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Figures, RebuildAsked, Review, Rows, ShortSubject, Subject, Ties } from "./types";

interface Page<T> {
  items: T[];
  total: number | null;
  next: string | null;
}

export const useSubjects = (q: string, kind: string | null) =>
  useInfiniteQuery({
    queryKey: ["subjects", q, kind],
    queryFn: ({ pageParam }) => get<Page<ShortSubject>>("/api/subjects", { q, kind, after: pageParam, limit: 60 }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
  });

export const useFigures = () =>
  useQuery({ queryKey: ["subjects", "figures"], queryFn: () => get<Figures>("/api/subjects/figures") });

export const useSubject = (id: string) =>
  useQuery({
    queryKey: ["subjects", "one", id],
    queryFn: () => get<Subject>(`/api/subjects/${encodeURIComponent(id)}`),
    staleTime: 30_000,
  });

export const useTies = (id: string, hops: number) =>
  useQuery({
    queryKey: ["subjects", "ties", id, hops],
    queryFn: () => get<Ties>(`/api/subjects/${encodeURIComponent(id)}/links`, { hops }),
    staleTime: 30_000,
  });

export const useRows = (id: string, dataset: string | null) =>
  useInfiniteQuery({
    queryKey: ["subjects", "rows", id, dataset],
    queryFn: ({ pageParam }) =>
      get<Rows>(`/api/subjects/${encodeURIComponent(id)}/rows`, { dataset, after: pageParam, limit: 50 }),
    initialPageParam: 0,
    getNextPageParam: (last) => last.next,
    enabled: dataset !== null,
  });

export const useReviews = (state: string, kind: string | null) =>
  useInfiniteQuery({
    queryKey: ["subjects", "reviews", state, kind],
    queryFn: ({ pageParam }) => get<Page<Review>>("/api/links/reviews", { state, kind, after: pageParam, limit: 50 }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  });

/** While one is asked for it is looked at again, so that it is seen when it is done. */
export const useRebuilds = () =>
  useQuery({
    queryKey: ["subjects", "rebuild", "asked"],
    queryFn: () => get<Page<RebuildAsked>>("/api/subjects/rebuild"),
    refetchInterval: ({ state }) => (state.data?.items.some((one) => one.state === "asked") ? 2_000 : false),
  });
