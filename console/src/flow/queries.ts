/** The questions about the flow of data. The first word of a key is what live events invalidate. */

import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Page, QuarantineRow, SourceDelivery } from "../api/types";
import type {
  BadRow,
  CatalogueDataset,
  CatalogueEntry,
  DeliveryDetail,
  DepartmentFlow,
  Overview,
  SourceFlow,
} from "./types";

/** Rates fall by the clock alone, so they are asked for again when nothing happens, too. */
const AGAIN_MS = 10_000;

export const useFlow = () =>
  useQuery({ queryKey: ["flow"], queryFn: () => get<Overview>("/api/flow"), refetchInterval: AGAIN_MS });

export const useDepartmentFlow = (code: string) =>
  useQuery({
    queryKey: ["flow", "department", code],
    queryFn: () => get<DepartmentFlow>(`/api/flow/${encodeURIComponent(code)}`),
    refetchInterval: AGAIN_MS,
    placeholderData: undefined,
  });

export const useSourceFlow = (id: string, hours: number) =>
  useQuery({
    queryKey: ["flow", "source", id, hours],
    queryFn: () => get<SourceFlow>(`/api/sources/${encodeURIComponent(id)}/flow`, { hours }),
    refetchInterval: AGAIN_MS,
    placeholderData: keepPreviousData,
  });

export const useDeliveries = (source: string, only: "all" | "bad") =>
  useInfiniteQuery({
    queryKey: ["flow", "deliveries", source, only],
    queryFn: ({ pageParam }) =>
      get<Page<SourceDelivery>>(`/api/sources/${encodeURIComponent(source)}/deliveries`, {
        only: only === "all" ? null : only,
        after: pageParam,
        limit: 50,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next as string | null,
  });

export const useDelivery = (id: string) =>
  useQuery({
    queryKey: ["flow", "delivery", id],
    queryFn: () => get<DeliveryDetail>(`/api/deliveries/${encodeURIComponent(id)}`),
    placeholderData: undefined,
  });

export const useBadRows = (delivery: string, state: string, enabled: boolean) =>
  useInfiniteQuery({
    queryKey: ["quarantine", "of", delivery, state],
    queryFn: ({ pageParam }) =>
      get<Page<QuarantineRow>>("/api/quarantine", { delivery, state, after: pageParam, limit: 100 }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next as string | null,
    enabled,
  });

export interface Chosen {
  source: string | null;
  reason: string | null;
  field: string | null;
  state: string;
}

export interface QuarantinePage extends Page<QuarantineRow> {
  /** How many there are by value, each among those that the other choices leave. */
  facets: Record<"source" | "reason" | "field", Record<string, number>>;
}

export const useQuarantine = (chosen: Chosen, enabled: boolean) =>
  useInfiniteQuery({
    queryKey: ["quarantine", "chosen", chosen],
    queryFn: ({ pageParam }) => get<QuarantinePage>("/api/quarantine", { ...chosen, after: pageParam, limit: 200 }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next as string | null,
    placeholderData: keepPreviousData,
    enabled,
  });

export const useBadRow = (id: string) =>
  useQuery({
    queryKey: ["quarantine", "one", id],
    queryFn: () => get<BadRow>(`/api/quarantine/${encodeURIComponent(id)}`),
    placeholderData: undefined,
  });

export const useCatalogue = () =>
  useQuery({
    queryKey: ["flow", "catalogue"],
    queryFn: async () => (await get<{ items: CatalogueEntry[] }>("/api/datasets")).items,
  });

export const useDataset = (name: string) =>
  useQuery({
    queryKey: ["flow", "dataset", name],
    queryFn: () => get<CatalogueDataset>(`/api/datasets/${encodeURIComponent(name)}`),
    placeholderData: undefined,
  });
