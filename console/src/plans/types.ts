/** The shapes of plans, drafts, decision tables and changes of a run in the city's HTTP API. */

import type { Iso, Level, Person, Run, TaskState, Text } from "../api/types";

export type Does = "task" | "message" | "decide" | "wait";
export const EVIDENCE = ["note", "photo", "form", "place"] as const;
export type EvidenceKind = (typeof EVIDENCE)[number];
export type Plain = string | number | boolean;

export interface FormField {
  type?: string;
  title?: string;
  description?: string;
  enum?: Plain[];
  [rest: string]: unknown;
}

export interface FormSchema {
  type?: "object";
  properties?: Record<string, FormField>;
  required?: string[];
  [rest: string]: unknown;
}

export interface AskedEvidence {
  kind: EvidenceKind;
  min?: number;
  schema?: FormSchema | null;
}

export interface Rung {
  at: string;
  to: string;
  to_title?: Text;
}

/** A step in the plan language; what has its default is left out. Durations are ISO 8601. */
export interface Step {
  id: string;
  title?: Text;
  does?: Does;
  unit?: string | null;
  unit_title?: Text | null;
  after?: string[];
  delay?: string | null;
  from?: "start" | "predecessors";
  accept_within?: string | null;
  due?: string | null;
  escalate?: Rung[];
  evidence?: AskedEvidence[];
  verify_by?: string | null;
  when?: string | null;
  loop_guard?: number | null;
  clock?: "elapsed" | "working";
  clauses?: string[];
  each?: { as: string; in: string | (Plain | { id: string; title: Text })[] } | null;
  during?: { step: string | string[]; after: string; interrupt?: boolean } | null;
  sets?: Record<string, string> | null;
  topic?: string | null;
  payload?: Record<string, unknown> | null;
  table?: string | null;
  decision?: string | null;
  inputs?: Record<string, string> | null;
  outputs?: string[] | null;
  call?: { plan: string; version?: string | null } | null;
}

/** A plan in the plan language. */
export interface PlanBody {
  plan: string;
  version: string;
  title: Text;
  source?: Text | null;
  for?: { kind: string; levels: Level[] } | null;
  valid_from?: string | null;
  valid_until?: string | null;
  parameters?: Record<string, Plain | Plain[]>;
  /** What people read for parameters. */
  titles?: Record<string, Text>;
  steps: Step[];
  drawn?: boolean;
}

/** One published version as the library lists it. */
export interface PlanVersion {
  digest: string;
  name: string;
  version: string;
  title: Text;
  kind: string | null;
  levels: Level[];
  valid_from: string | null;
  valid_until: string | null;
  published_at: Iso | null;
  published_by: Person | string | null;
  steps: number;
  drawn: boolean;
  /** The version a new run of this name would begin with. */
  in_force: boolean;
}

export interface PlanFamily {
  name: string;
  title: Text;
  versions: PlanVersion[];
}

export interface PlanDetail extends PlanVersion {
  plan: PlanBody;
  versions: PlanVersion[];
  runs: PlanRun[];
}

export interface PlanRun {
  id: string;
  incident_id: string;
  title: Text;
  started_at: Iso;
  closed_at: Iso | null;
  state: string;
}

export type DraftKind = "yaml" | "bpmn" | "dmn";
export type DraftState = "draft" | "submitted" | "published" | "withdrawn" | "rejected";

export interface Draft {
  id: string;
  kind: DraftKind;
  state: DraftState;
  revision: number;
  name: string | null;
  title: Text | null;
  authors: (Person | string)[];
  created_at: Iso;
  updated_at: Iso;
  /** Why it was sent back. */
  reason: string | null;
  digest: string | null;
  actions: string[];
}

export interface DraftDetail extends Draft {
  source: string;
}

export interface PlanProblem {
  element: string | null;
  severity: "error" | "warning";
  field: string | null;
  detail: Text | string;
  remedy: Text | string | null;
}

export interface Checked {
  ok: boolean;
  plan: PlanBody | null;
  decision: DecisionBody | null;
  problems: PlanProblem[];
  /** The plan as a drawing, where the draft is text. */
  bpmn?: string | null;
}

/** One revision of a draft as the list has it. */
export interface RevisionHead {
  revision: number;
  author: Person | string;
  at: Iso;
}

/** A revision looked over, and what changed between it and another. */
export interface Revision extends RevisionHead, Checked {
  source: string;
  against: number;
  /** The other one as a plan; null where it cannot be published. */
  compared: PlanBody | null;
  /** From the older of the two to the newer; null where one of them is no plan. */
  changed: Diff | null;
}

export interface Diff {
  steps: { added: string[]; removed: string[]; changed: StepChange[] };
  fields: { field: string; before: unknown; after: unknown }[];
}

export interface StepChange {
  id: string;
  field: string;
  before: unknown;
  after: unknown;
}

/** A type of a column: a kind (string, number, boolean, date …) or a mapping with its allowed values. */
export type ColumnType = string | { base?: string; values?: string; [rest: string]: unknown } | null;

export interface DecisionInput {
  id: string;
  name: string;
  type?: ColumnType;
  label?: string | null;
}

export interface DecisionTable {
  id: string;
  name: string;
  /** A table, or one expression. */
  expression?: string | null;
  hit?: string;
  inputs?: { id: string; expression: string; label?: string | null; values?: string | null }[];
  outputs?: {
    id: string;
    name: string;
    label?: string | null;
    type?: ColumnType;
    values?: string | null;
    default?: string | null;
  }[];
  rules?: { id: string; when: string[]; then: string[]; note?: string | null }[];
}

/** A model of decision tables: the last table gives what is asked for, the others what it reads. */
export interface DecisionBody {
  digest: string;
  name: string;
  version: string;
  title: Text;
  source?: Text | null;
  valid_from?: string | null;
  valid_until?: string | null;
  inputs: DecisionInput[];
  outputs: { name: string; type?: ColumnType; many: boolean }[];
  tables: DecisionTable[];
}

export interface DecisionVersion {
  digest: string;
  name: string;
  version: string;
  title: Text;
  valid_from: string | null;
  valid_until: string | null;
  published_at: Iso | null;
  published_by: Person | string | null;
  in_force: boolean;
  outputs?: string[];
}

export interface DecisionDetail extends DecisionVersion {
  decision: DecisionBody;
}

export interface Outcome {
  outputs: Record<string, unknown>;
  matched: string[];
  problems?: PlanProblem[];
}

/** How far a step of a run is. `of` is the step of the plan that it was made of; `left_out` was never needed. */
export interface StepProgress {
  id: string;
  of: string;
  task_id: string | null;
  state: TaskState | "left_out";
  late: boolean;
}

export interface RunDetail extends Run {
  steps: StepProgress[];
}
