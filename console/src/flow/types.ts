/** What the city tells about the flow of its data. Rates are rows a second; times are the city's. */

import type { Cell, Iso, SourceDelivery, SourceState, Text } from "../api/types";
import type { Labels } from "../ui/Cell";

export type FlowState = SourceState | "none";
export type Over = "now" | "hour" | "day";

export interface FlowFigures {
  state: FlowState;
  rate: Record<Over, number>;
  rows: { hour: number; day: number };
  bad: { hour: number; day: number };
  bytes_day: number;
  /** Share of good rows among all that came within a day; null when nothing came. */
  quality: number | null;
  /** Open entries in quarantine. */
  open: number;
  last_delivery_at: Iso | null;
  freshness_seconds: number | null;
  /** Rows in each of the last 24 hours, the present one last. */
  hours: number[];
}

export interface FlowTotals extends FlowFigures {
  sources: number;
  states: Record<SourceState, number>;
}

export interface FlowDepartment extends FlowTotals {
  code: string;
  title: Text;
  kind: string;
  level: string;
  parent: string | null;
}

export interface Wanting {
  id: string;
  title: Text;
  department: string;
  department_title: Text;
  state: SourceState;
  reason: Text | null;
  last_delivery_at: Iso | null;
  freshness_seconds: number | null;
  failures: number;
  next_try_at: Iso | null;
  open: number;
}

export interface Overview {
  at: Iso;
  total: FlowTotals & { minutes: number[] };
  departments: FlowDepartment[];
  attention: Wanting[];
}

export type ListenerFigures = Record<string, number>;

export interface FlowSource extends FlowFigures {
  id: string;
  title: Text;
  connector: string;
  dataset: string;
  dataset_title: Text | null;
  schedule: string | null;
  update_cycle_seconds: number | null;
  reason: Text | null;
  next_try_at: Iso | null;
  deliveries: number;
  listener: ListenerFigures | null;
}

export interface DepartmentFlow {
  at: Iso;
  department: FlowDepartment;
  series: { minutes: Steps; hours: Steps };
  sources: FlowSource[];
}

/** Equal steps, the oldest first. */
export interface Steps {
  from: Iso;
  step_seconds: number;
  rows: number[];
  bad: number[];
}

export interface SourceFlow extends Steps {
  source: string;
  at: Iso;
  deliveries: number[];
  bytes: number[];
  now: FlowFigures;
  listener: ListenerFigures | null;
}

interface OfSource {
  source: string;
  source_title: Text;
  department: string;
  department_title: Text;
  dataset: string;
}

export interface DeliveryDetail extends SourceDelivery, OfSource {
  stamp: string;
  sha256: string;
  reasons: Record<string, number>;
  open: number;
  open_reasons: Record<string, number>;
  version: number | null;
}

export interface Declared {
  name: string;
  title: Text | null;
  description: Text | null;
  type: string;
  unit: string | null;
  key: boolean;
  /** The names it has in the files of sources. */
  named: string[];
  labels: Labels;
  rules: Record<string, Cell | Cell[]>;
  secrecy?: "personal" | "sensitive" | null;
  /** Whether you do not see its values. */
  withheld?: boolean;
}

export interface BadRow extends OfSource {
  id: string;
  delivery: string;
  name: string;
  member: string | null;
  row: number;
  reason: { code: string; field: string | null; message: Text };
  at: Iso;
  state: "open" | "replayed" | "dismissed";
  complete: boolean;
  /** Columns of the source whose values are not shown to you; `all`: nothing of what came is. */
  withheld: { all: boolean; columns: string[] } | null;
  form: "record" | "line" | "delivery";
  /** Base64 of the first `bytes_shown` of the `bytes_kept` bytes. */
  bytes: string;
  bytes_kept: number;
  bytes_shown: number;
  closed_at: Iso | null;
  closed_by: string | null;
  declared: Declared | null;
  may_replay: boolean;
  previous: string | null;
  next: string | null;
}

export interface CatalogueEntry {
  name: string;
  title: Text;
  owner: string;
  owner_title: Text;
  sharing: 1 | 2 | 3;
  classification: string;
  purpose: Text;
  update_cycle_seconds: number | null;
  columns: number;
  state: SourceState | null;
  rows: number;
  quarantined: number;
  quality: number | null;
  last_delivery_at: Iso | null;
  freshness_seconds: number | null;
  /** How many of its sources are not yours to see: what is counted is then not all there is. */
  hidden_sources: number;
}

/** It has sources, and none of them is yours to see. */
export const unseen = (one: CatalogueEntry) => one.state === null && one.hidden_sources > 0;

export interface FieldCounts {
  name: string;
  missing: number;
  invalid: number;
  min: Cell;
  max: Cell;
  /** By cleaning step: values it changed. */
  cleaned?: Record<string, number>;
  /** By cleaning step: rows it refused. */
  refused?: Record<string, number>;
}

export interface CatalogueDataset extends CatalogueEntry {
  key: string[];
  time: string;
  zone: string;
  digest: string;
  fields: Declared[];
  /** What you see of it. */
  sight: { open: boolean; limited: boolean; withheld: string[]; grants: string[]; own: boolean };
  sources: {
    id: string;
    title: Text;
    department: string;
    department_title: Text;
    state: SourceState;
    rows: number;
    quarantined: number;
    last_delivery_at: Iso | null;
    quality: { rows: number; fields: FieldCounts[] };
  }[];
}
