/** What the city says of subjects: firms, sites, vehicles, tanks, outlets, meters. */

import type { Iso, Text } from "../api/types";
import type { Labels } from "../ui/Cell";

export const KINDS = ["firm", "site", "vehicle", "tank", "outlet", "meter"] as const;
export type Kind = (typeof KINDS)[number];

export interface Identifier {
  type: string;
  title: Text;
  value: string;
}

export interface Area {
  code: string;
  title: Text;
  kind: string;
  parent: string | null;
  valid_from: string;
  valid_to: string | null;
  schematic: boolean;
}

export interface ShortSubject {
  id: string;
  kind: Kind;
  kind_title: Text;
  name: string | null;
  address: string | null;
  identifiers: Identifier[];
  lon: number | null;
  lat: number | null;
  area: Area | null;
  datasets: number;
  records: number;
  likeness?: number | null;
}

export interface Evidence {
  name: string;
  title: Text;
  points: number;
}

export interface DatasetName {
  dataset: string;
  title: Text;
  department: string;
  department_title: Text;
}

export interface Why {
  rule: string;
  title: Text;
  score: number | null;
  evidence: Evidence[];
  model: string;
  at: Iso;
  by: string;
  beside: { id: string; dataset: string; name: string | null; address: string | null } | null;
}

export interface SubjectRecord {
  id: string;
  dataset: string;
  dataset_title: Text;
  department: string;
  role: string;
  role_title: Text;
  key: (string | null)[];
  name: string | null;
  former: string | null;
  address: string | null;
  lon: number | null;
  lat: number | null;
  identifiers: Identifier[];
  known_at: Iso;
  why: Why;
}

export interface Said {
  value: string;
  datasets: string[];
}

export interface Source extends DatasetName {
  roles: Text[];
  rows: number | null;
  from: Iso | null;
  to: Iso | null;
  window_hours: number | null;
}

export interface Happened {
  at: Iso;
  known_at: Iso;
  dataset: string;
  title: Text;
  department: string;
  values: { name: string; title: Text; value: unknown; label: Text | null }[];
}

export interface Subject extends Omit<ShortSubject, "records" | "identifiers"> {
  since: Iso | null;
  until: Iso | null;
  made_at: Iso;
  names: Said[];
  former_names: Said[];
  addresses: Said[];
  identifiers: (Identifier & { datasets: string[] })[];
  places: { lon: number; lat: number; dataset: string; role: string; area: Area | null }[];
  sources: Source[];
  records: SubjectRecord[];
  timeline: Happened[];
  restricted: DatasetName[];
  merged: string[];
  questions: string[];
  history: { type: string; at: Iso; actor: string; data: Record<string, unknown> }[];
}

export interface Edge {
  from: string;
  to: string;
  relation: string;
  title: Text;
  back: Text;
  since: Iso | null;
  until: Iso | null;
  datasets: string[];
}

export interface Ties {
  nodes: ShortSubject[];
  edges: Edge[];
  cut: string[];
  restricted: DatasetName[];
}

export interface Rows {
  items: Record<string, unknown>[];
  columns: { name: string; title: Text; unit: string | null; labels: Labels }[];
  next: number | null;
}

export type ReviewSide =
  | (SubjectRecord & { subject: string; restricted: false })
  | (DatasetName & { id: string; subject: string; restricted: true });

export interface Review {
  id: string;
  kind: Kind;
  kind_title: Text;
  department: string;
  department_title: Text;
  score: number;
  evidence: Evidence[];
  model: string;
  state: "open" | "same" | "different" | "overtaken";
  raised_at: Iso;
  decided_by: string | null;
  decided_at: Iso | null;
  reason: string | null;
  records: ReviewSide[];
}

export interface Figures {
  kinds: { kind: Kind; title: Text; subjects: number }[];
  questions: number;
  model: string;
  dropped: { kind: Kind; mark: string; size: number; record: string; at: Iso }[];
}

export interface Preview {
  /** Whether the city has changed since. */
  outdated: boolean;
  model: string;
  due: boolean;
  models: { model: string; records: number }[];
  kinds: ({ kind: Kind; title: Text } & Record<
    "records" | "subjects" | "after" | "moved" | "merged" | "split" | "questions" | "held",
    number
  >)[];
  examples: {
    kind: Kind;
    kind_title: Text;
    type: "merged" | "split";
    subject: string;
    into: string | null;
    records: number;
    names: string[];
  }[];
}

export interface RebuildAsked {
  id: string;
  state: "asked" | "done";
  model: string;
  by: string;
  reason: string;
  asked_at: Iso;
  done_at: Iso | null;
  done: Record<string, Record<string, number>> | null;
}
