/** The questions of the pages of matters. Keys begin with the word that live events of matters invalidate. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { MatterDetail, MatterPage, Service } from "./types";

/** As many as one page of the city's lists holds. */
const PAGE = 200;

export interface Filter {
  state: string | null;
  service: string | null;
  unit: string | null;
}

/** Matters last changed first, page by page. */
export const useMatters = (filter: Filter) =>
  useInfiniteQuery({
    queryKey: ["matters", filter.state, filter.service, filter.unit],
    queryFn: ({ pageParam }) => get<MatterPage>("/api/matters", { ...filter, after: pageParam, limit: PAGE }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  });

export const useMatter = (id: string | null) =>
  useQuery({
    queryKey: ["matters", "one", id],
    queryFn: () => get<MatterDetail>(`/api/matters/${encodeURIComponent(id ?? "")}`),
    enabled: id !== null,
    placeholderData: undefined,
  });

export const useServices = () =>
  useQuery({
    queryKey: ["declared", "services"],
    queryFn: async () => (await get<{ items: Service[] }>("/api/services")).items,
    staleTime: 600_000,
  });
