/** The questions of the plan pages. Keys begin with the word that live events of plans, drafts and tables invalidate. */

import { useQuery } from "@tanstack/react-query";
import { get, Problem, request } from "../api/client";
import type { Page } from "../api/types";
import type {
  Checked,
  DecisionDetail,
  DecisionVersion,
  Diff,
  Draft,
  DraftDetail,
  DraftKind,
  PlanDetail,
  PlanFamily,
  Revision,
  RevisionHead,
  RunDetail,
} from "./types";

async function list<T>(path: string, params: Parameters<typeof get>[1] = {}): Promise<T[]> {
  const answer = await get<T[] | Page<T>>(path, params);
  return Array.isArray(answer) ? answer : answer.items;
}

/** A file of the city as text, e.g. a drawing. */
export async function words(path: string): Promise<string> {
  const response = await fetch(path, { credentials: "same-origin", signal: AbortSignal.timeout(30_000) });
  const text = await response.text();
  if (!response.ok) {
    // The refusal is told as everywhere: ask again the common way.
    await request("GET", path);
    throw new Problem(response.status, `http-${response.status}`, text.slice(0, 200));
  }
  return text;
}

export const useFamilies = () =>
  useQuery({ queryKey: ["plans"], queryFn: () => list<PlanFamily>("/api/library/plans") });

export const usePlan = (digest: string | null) =>
  useQuery({
    queryKey: ["plans", "one", digest],
    queryFn: () => get<PlanDetail>(`/api/library/plans/${encodeURIComponent(digest ?? "")}`),
    enabled: digest !== null,
    placeholderData: undefined,
  });

/** A run with all of its steps, those that the city does by itself too. */
export const useRun = (id: string) =>
  useQuery({
    queryKey: ["incident", "run", id],
    queryFn: () => get<RunDetail>(`/api/runs/${encodeURIComponent(id)}`),
    placeholderData: undefined,
  });

/** A published plan never changes, so its drawing is asked for once. */
export const useDrawing = (digest: string | null) =>
  useQuery({
    queryKey: ["declared", "drawing", digest],
    queryFn: () => words(`/api/library/plans/${encodeURIComponent(digest ?? "")}/source?as=bpmn`),
    enabled: digest !== null,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: undefined,
  });

export const useDiff = (from: string | null, to: string | null) =>
  useQuery({
    queryKey: ["declared", "diff", from, to],
    queryFn: () => get<Diff>("/api/library/diff", { from, to }),
    enabled: from !== null && to !== null,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: undefined,
  });

export const useDrafts = (enabled: boolean) =>
  useQuery({ queryKey: ["drafts"], queryFn: () => list<Draft>("/api/library/drafts"), enabled });

export const useDraft = (id: string) =>
  useQuery({
    queryKey: ["drafts", "one", id],
    queryFn: () => get<DraftDetail>(`/api/library/drafts/${encodeURIComponent(id)}`),
    placeholderData: undefined,
    // What is being written must not be replaced under the writer's hands.
    refetchOnWindowFocus: false,
  });

export const useRevisions = (id: string) =>
  useQuery({
    queryKey: ["drafts", "revisions", id],
    queryFn: () => list<RevisionHead>(`/api/library/drafts/${encodeURIComponent(id)}/revisions`),
    placeholderData: undefined,
  });

/** A revision never changes; against which one it is compared may. */
export const useRevision = (id: string, revision: number, against: number) =>
  useQuery({
    queryKey: ["declared", "revision", id, revision, against],
    queryFn: () => get<Revision>(`/api/library/drafts/${encodeURIComponent(id)}/revisions/${revision}`, { against }),
    placeholderData: undefined,
  });

export const createDraft = (kind: DraftKind, source: string) =>
  request<DraftDetail>("POST", "/api/library/drafts", { kind, source });

export const saveDraft = (id: string, source: string, revision: number) =>
  request<DraftDetail>("PUT", `/api/library/drafts/${encodeURIComponent(id)}`, { source, revision });

export const check = (kind: DraftKind, source: string) =>
  request<Checked>("POST", "/api/library/check", { kind, source });

export const useTables = () =>
  useQuery({ queryKey: ["decisions"], queryFn: () => list<DecisionVersion>("/api/library/decisions") });

export const useTable = (digest: string | null) =>
  useQuery({
    queryKey: ["decisions", "one", digest],
    queryFn: () => get<DecisionDetail>(`/api/library/decisions/${encodeURIComponent(digest ?? "")}`),
    enabled: digest !== null,
    placeholderData: undefined,
  });
