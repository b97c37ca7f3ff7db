/** Detectors as people read them, and backtests that were kept. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Iso, Text } from "../api/types";
import { type Job, underWay } from "../jobs/queries";

export interface Detector {
  id: string;
  title: Text;
  kind: string;
  kind_title: Text | null;
  form: "query" | "survey" | "keyed";
  app: { id: string; title: Text } | null;
  inputs: { dataset: string; title?: Text; freshness_seconds?: number | null; state?: string | null }[];
  every_seconds: number | null;
  last_look_at: Iso | null;
  next_at: Iso | null;
  failure: string | null;
  last_30_days: Record<"findings" | "alerts" | "taken" | "silenced" | "over" | "waiting", number>;
}

export interface Parameter {
  name: string;
  value: unknown;
  meaning: Text | null;
}

export interface DetectorDetail extends Omit<Detector, "parameters"> {
  parameters: Parameter[];
  look_seconds: number | null;
  rows_per_second: number | null;
  days: { day: string; levels: Record<"1" | "2" | "3" | "4", number> }[];
  trials: Trial[];
}

interface Summary {
  raised: number;
  highest: Record<"1" | "2" | "3" | "4", number>;
  alerted_hours: number;
  alerted_days: number;
  findings: number;
  rows: number;
  runs: number;
  seconds: number;
  look_seconds: number | null;
}

export interface PastCase {
  subject: { kind: string; id: string; name: Text };
  level: 1 | 2 | 3 | 4 | null;
  raised_at: Iso;
  ended_at: Iso | null;
  alert: string | null;
}

export interface TrialResult {
  until: Iso;
  trial: Summary;
  present: Summary | null;
  against: "present" | "real";
  real: number;
  gained_total: number;
  lost_total: number;
  kept_total: number;
  days?: { day: string; trial: number; present: number | null; real: number }[];
  gained?: PastCase[];
  lost?: PastCase[];
}

export type Trial = Job<TrialResult, { since: Iso; until: Iso; parameters: Record<string, unknown> }>;

export const useDetectors = () =>
  useQuery({
    queryKey: ["detectors"],
    queryFn: async () => (await get<{ items: Detector[] }>("/api/detectors")).items,
  });

export const useDetector = (id: string) =>
  useQuery({
    queryKey: ["detectors", id],
    queryFn: () => get<DetectorDetail>(`/api/detectors/${encodeURIComponent(id)}`),
    refetchInterval: ({ state }) => (state.data?.trials.some(underWay) ? 1_500 : false),
  });
