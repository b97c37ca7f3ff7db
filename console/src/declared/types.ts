/** Pages that applications declare, as the city hands them out. */

import type { Band, Cell, Iso, Level, SeriesEvidence, SourceState, Text } from "../api/types";
import type { Schema } from "../field/form";

export interface PageEntry {
  id: string;
  app: string;
  app_title: Text;
  title: Text;
  about: Text | null;
  /** Kinds of subjects on whose pages it is a tab. */
  subject: string[];
}

export interface Parameter {
  name: string;
  kind: "select" | "date" | "month" | "text" | "number" | "subject";
  title: Text;
  kinds?: string[];
  schema: Schema;
  options: { value: string | number | boolean; title: Text }[];
  required: boolean;
  /** The dataset with the choices, when it is not shared with the reader. */
  closed?: string | null;
}

export interface SectionEntry {
  id: string;
  title: Text;
  kind: string;
  width: number;
  empty: Text | null;
}

export interface PageView extends PageEntry {
  /** The subjects that were chosen, by parameter. */
  chosen: Record<string, { id: string; kind: string; name: string | null }>;
  refresh_seconds: number | null;
  parameters: Parameter[];
  values: Record<string, string | number | boolean | null>;
  sections: SectionEntry[];
}

export interface Link {
  to: "subject" | "alert" | "incident" | "task" | "source" | "dataset" | "department" | "page";
  by?: string | null;
  column?: string | null;
  page?: string | null;
  set?: Record<string, string>;
}

export type Value = Cell | Text;

export interface Column {
  name: string;
  title: Text;
  unit?: string | null;
  kind?: "text" | "number" | "time" | "day" | "level" | "share" | null;
  digits?: number | null;
  link?: Link | null;
  hidden?: boolean;
}

export interface Facts {
  type: "facts";
  items: {
    label: Text;
    value: Value;
    unit: string | null;
    kind: Column["kind"];
    digits: number | null;
    link: Link | null;
    id: string | null;
    dataset: string | null;
    at: Iso | null;
  }[];
  note: Text | null;
}

export interface Table {
  type: "table";
  title?: Text | null;
  columns: Column[];
  rows: Value[][];
  note: Text | null;
}

export interface Rows {
  type: "rows";
  title: Text;
  dataset: string;
  source: string;
  known_at: Iso | null;
  columns: string[];
  rows: Cell[][];
}

export interface Series extends Omit<SeriesEvidence, "title"> {
  title?: Text | null;
  note?: Text | null;
}

export interface Bars {
  type: "bar";
  unit: string;
  bars: {
    label: Text | string;
    value: number | null;
    low: number | null;
    high: number | null;
    level: Level | null;
    id: string | null;
  }[];
  thresholds: { name: Text; value: number }[];
  link: Link | null;
  note: Text | null;
}

export interface FlowNode {
  id: string;
  label: Text | string;
  stage: string;
  department: string | null;
  value: number | null;
  link: Link | null;
  link_id: string | null;
}

export interface FlowWay {
  from: string;
  to: string;
  t: number | null;
  error_t: number | null;
  source: string | null;
  level: Level | null;
}

export interface Flow {
  type: "flow";
  unit: string;
  stages: { id: string; title: Text }[];
  nodes: FlowNode[];
  links: FlowWay[];
  note: Text | null;
}

export interface StageSystem {
  title: Text;
  department: string;
  department_title: Text;
  stages: string[];
  page: string | null;
  state: SourceState | null;
  rows: number | null;
  quarantined: number | null;
  freshness_seconds: number | null;
  sources: { source: string; dataset: string; state: SourceState; rows: number; freshness_seconds: number | null }[];
}

export interface Stages {
  type: "stages";
  stages: { id: string; title: Text }[];
  systems: StageSystem[];
  note: Text | null;
}

export interface MapPoint {
  key: string;
  lon: number;
  lat: number;
  name: Text | string;
  value: number | null;
  level: Level | null;
  at: Iso | null;
}

export interface PointMap {
  type: "map";
  unit: string;
  points: MapPoint[];
  tracks: { name: Text | string; points: [Iso, number, number, (number | null)?][] }[];
  bands: Band[];
  link: Link | null;
  note: Text | null;
}

export interface Words {
  type: "text";
  text: Text;
}

export interface Form {
  type: "form";
  schema: Schema;
  button: Text;
  done: Text;
  may: boolean;
  department: string;
  department_title: Text;
  note: Text | null;
}

export interface DatasetSaid {
  dataset: string;
  title: Text;
  department: string;
  department_title: Text;
  sharing?: number;
}

export type Content =
  | Facts
  | Table
  | Rows
  | Series
  | Bars
  | Flow
  | Stages
  | PointMap
  | Words
  | Form
  | { type: "group"; parts: { title: Text | null; content: Content }[] }
  | { type: "closed"; datasets: DatasetSaid[] }
  | { type: "waiting"; missing: string[] };

export interface SectionAnswer {
  content: Content;
  as_of: Iso;
  sources: DatasetSaid[];
  /** Datasets with columns that were asked for and that you do not see. */
  withheld?: (DatasetSaid & { columns: { name: string; title: Text }[] })[];
}
