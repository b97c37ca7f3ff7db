/** What the pages of alarm management ask, and the shapes of the answers. */

import type { Iso, Level, Text } from "../api/types";

export type Scope = "matter" | "kind" | "detector";

export interface Suppression {
  id: string;
  scope: Scope;
  kind: string;
  kind_title: Text;
  department: string;
  detector: string | null;
  subject: { kind: string; id: string; name: Text } | null;
  level: Level;
  reason: string;
  by: { id: string; name: Text };
  at: Iso;
  until: Iso;
  state: "in_force" | "lifted" | "expired";
  ended_at: Iso | null;
  ended_by: { id: string; name: Text } | null;
  alerts: { held: number; ever: number };
}

export interface Worst {
  alert_id: string;
  kind: string;
  title: Text;
  subject: { kind: string; id: string; name: Text };
  alerts: number;
}

export interface Stale extends Omit<Worst, "alerts"> {
  level: Level;
  state: string;
  raised_at: Iso;
  hours: number;
  incident_id: string | null;
}

export interface Bin {
  at: Iso;
  alerts: number;
  per_operator: number;
  levels: Record<"1" | "2" | "3" | "4", number>;
}

export type Measure = "average" | "peak" | "flood_share" | "top_share" | "chattering" | "stale";

export interface Verdict {
  measure: Measure;
  value: number | null;
  target: number;
  most: number;
  verdict: "good" | "watch" | "bad" | "none";
}

export interface Rate {
  since: Iso;
  until: Iso;
  operators: { n: number; from: "given" | "roster" | "assumed" };
  bin_minutes: number;
  bins: Bin[];
  total: number;
  silent: number;
  average: number;
  peak: { at: Iso; per_operator: number };
  floods: { from: Iso; to: Iso; alerts: number; peak: number }[];
  flood_share: number;
  priorities: Record<"1" | "2" | "3" | "4", number | null>;
  acknowledged: {
    due: number;
    in_time: number;
    share: number | null;
    levels: Record<"1" | "2" | "3" | "4", { minutes: number; due: number; in_time: number; median_s: number | null }>;
  };
  fleeting: number;
  kinds: { kind: string; title: Text; alerts: number; share: number }[];
  matters: (Worst & { share: number })[];
  top_share: number | null;
  chattering: Worst[];
  stale: { total: number; hours: number; items: Stale[] };
  verdicts: Verdict[];
}
