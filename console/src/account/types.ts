/** What account answers: shares with what they are made of, the report, formulas, appeals, what is behind one task. */

import type { Iso, Person, Text } from "../api/types";

export interface Share {
  num: number;
  den: number;
  rate: number | null;
}

export interface Headline extends Share {
  id: string;
  title: Text;
  less_is_better: boolean;
  before: Share;
  /** Of the share, 0 to 1; null where one of the two periods has nothing to divide by. */
  change: number | null;
}

export interface Deduction {
  rate: string;
  points: number;
  bound: number | null;
}

export interface Term {
  rate: string;
  weight: number;
  less_is_better: boolean;
  deductions: Deduction[];
}

export interface Formula {
  id: string;
  version: string;
  valid_from: string;
  title: Text;
  source: Text;
  of: "handling" | "supply";
  adopted: boolean;
  out_of: number;
  appeal_within: string;
  published_at: Iso | null;
  terms: Term[];
}

export interface DepartmentScore {
  department: string;
  title: Text;
  n: number;
  score: number | null;
  rank: number | null;
  rates: Record<string, Share>;
  on_time_fair: number | null;
  time_ratio: number | null;
  custody_seconds: number;
  late: number;
  corrections: number;
  score_before_appeals: number | null;
}

export interface Scores {
  from: Iso;
  to: Iso;
  formula: Formula;
  departments: DepartmentScore[];
}

/** One task behind a share. */
export interface Counted {
  task: string;
  run: string;
  step: string;
  step_title: Text;
  round: number;
  counts: boolean;
  dispatched_at: Iso;
  accepted_at: Iso | null;
  due: Iso | null;
  submitted_at: Iso | null;
  closed_at: Iso | null;
  correction: Effect | null;
}

export interface Movement {
  department: string;
  title: Text;
  change: number;
  on_time: Share;
  before: Share;
  n: number;
  n_before: number;
  tasks: Counted[];
}

export interface Flag {
  kind: string;
  department: string;
  department_title: Text;
  n: number;
  of: number;
  tasks: string[];
  title: Text;
  words: Text;
}

export type Effect = "exclude" | "count_as_good";
export const APPEAL_STATES = ["open", "upheld", "dismissed"] as const;
export type AppealState = (typeof APPEAL_STATES)[number];

export interface Appeal {
  id: string;
  task: string;
  run: string;
  department: string;
  department_title: Text;
  rate: string;
  rate_title: Text;
  reason: string;
  evidence: string;
  state: AppealState;
  filed_at: Iso;
  filed_by: Person;
  effect: Effect | null;
  decision: string;
  decided_at: Iso | null;
  decided_by: Person | null;
}

export interface SupplyRow {
  department: string;
  title: Text;
  sources: number;
  score: number | null;
  rates: Record<string, Share>;
}

export interface Report {
  from: Iso;
  to: Iso;
  before: { from: Iso; to: Iso; n: number };
  headline: Headline[];
  tasks: number;
  best: Movement[];
  worst: Movement[];
  departments: DepartmentScore[];
  dispatchers: { dispatcher: string; accuracy: Share; upheld_returns: number }[];
  supply: { formula: Formula; departments: SupplyRow[] };
  appeals: { filed: number; upheld: number; dismissed: number; open: number; items: Appeal[] };
  flags: Flag[];
  formula: Formula;
  formula_changes: Formula[];
  caveats: Text[];
}

export interface Piece {
  holder: string;
  from: Iso;
  to: Iso;
  seconds: number;
  charged: boolean;
  reason: string;
}

export interface StoryEvent {
  seq: number;
  type: string;
  at: Iso;
  actor: string;
  data: Record<string, unknown>;
}

/** Everything behind one task. */
export interface Story {
  task: string;
  run: string;
  step: string;
  step_title: Text;
  department: string;
  department_title: Text;
  events: StoryEvent[];
  custody: Piece[];
  appeals: string[];
}

/** Shares of handling in the order in which they are shown, and of supply. */
export const RATES = [
  "sign_in",
  "handled",
  "on_time",
  "overdue",
  "closed",
  "rework",
  "rework_again",
  "return",
  "extension",
  "concluded",
  "concluded_on_time",
  "urgent_concluded",
  "urgent_concluded_on_time",
  "satisfied",
] as const;
export const SUPPLY_RATES = ["fresh", "good", "taken"] as const;
export type RateName = (typeof RATES)[number] | (typeof SUPPLY_RATES)[number];

export const LESS_IS_BETTER: ReadonlySet<string> = new Set([
  "overdue",
  "rework",
  "rework_again",
  "return",
  "extension",
]);

/** Below so many tasks a department has figures and no rank. */
export const RANKED = 10;
