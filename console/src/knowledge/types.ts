/** What the city knows of matters like the present one, as its HTTP API shows it. */

import type { Iso, Level, PlanStep, SuggestedPlan, Text } from "../api/types";

export interface Reason {
  kind: "plan" | "cases" | "clause";
  text: Text;
  clause: string | null;
  /** n of m similar cases. */
  n: number | null;
  m: number | null;
}

export type ChangeOp = "add" | "skip" | "reassign" | "extend";

/** A change of a plan that is proposed: learned from commanders, or asked for by a clause. */
export interface Proposed {
  op: ChangeOp;
  step: string;
  unit: string | null;
  unit_title: Text | null;
  title: Text | null;
  /** ISO 8601 length of time. */
  due: string | null;
  mandated: boolean;
  reasons: Reason[];
  /** What commanders said when they did it. */
  said: string;
  cases: string[];
  /** The change as a run takes it; null where a person has to name something first. */
  patch: Record<string, unknown> | null;
}

export interface AdvisedStep extends PlanStep {
  /** A step that is done for each of a list: what stands for one of them, and the list or the parameter that holds it. */
  each?: { as: string; in: string | { id: string; title: Text | null }[] } | null;
  when?: string | null;
  reasons?: Reason[];
}

type ParameterValue = boolean | number | string | ParameterValue[];

export interface AdvisedPlan extends SuggestedPlan {
  /** What whoever dispatches may name, each with what the plan declares. */
  parameters?: Record<string, ParameterValue>;
  /** What they are called, where the plan says it. */
  titles?: Record<string, Text>;
  steps: AdvisedStep[];
  exact: boolean;
  score: number;
  n: number;
  m: number;
  changes: Proposed[];
}

/** What a commander did in a closed case; due in seconds. */
export interface Change {
  op: ChangeOp;
  step: string;
  unit: string | null;
  title: Text | null;
  due: number | null;
  reason: string;
}

interface CaseHead {
  id: string;
  origin: string;
  incident_id: string | null;
  kind: string;
  level: Level | null;
  text: string;
  place: string | null;
  opened_at: Iso;
  closed_at: Iso;
  seconds: number;
  plan: { id: string; version: string | number | null; digest: string | null };
  late: number;
  rework: number;
  returned: number;
  changes: Change[];
}

export interface SimilarCase extends CaseHead {
  similarity: number;
  words: number;
  /** Of another kind than the matter: it tells what happened, and has no vote on plans. */
  other_kind?: boolean;
  why?: Text[];
}

export interface Case extends CaseHead {
  stage: string | null;
  lon: number | null;
  lat: number | null;
  known_at: Iso;
  /** 1, and one more each time its source corrected it. */
  revision?: number;
  revised_at?: Iso | null;
  /** How it went: 1 is well, 0 badly. */
  outcome: number;
  /** due and took in seconds. */
  steps: {
    step: string;
    unit: string;
    title: Text | null;
    due: number | null;
    took: number | null;
    late: boolean;
    rework: number;
    returned: number;
  }[];
}

/** A version of a case that a newer one took the place of. */
export interface Replaced {
  revision: number;
  since: Iso;
  until: Iso;
  replaced_by: string;
  replaced_by_name: Text | null;
  changed: { field: string; before: unknown; after: unknown }[];
  case: Case;
}

export interface Clause {
  id: string;
  title: Text;
  text: Text;
  law: Text;
  article: string;
  source: Text | string;
  verified: boolean;
  from: string;
  until: string | null;
  mandates: {
    kind: string;
    levels: Level[];
    step: string | null;
    duty: Text | null;
    unit: string | null;
    stage: string | null;
    due: string | null;
  }[];
}

export interface Advice {
  plans: AdvisedPlan[];
  cases: SimilarCase[];
  clauses: Clause[];
  changes: Proposed[];
  reasons: Text[];
  confident: boolean;
  confidence: number;
  silence: Text | null;
}
