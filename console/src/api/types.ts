/** The shapes of the city's HTTP API. Times are RFC 3339 in UTC; `Text` holds one string a language. */

export type Language = "zh-CN" | "en";
export type Text = Record<string, string>;
export type Iso = string;
export type Level = 1 | 2 | 3 | 4;

export interface Page<T> {
  items: T[];
  total: number;
  next: string | null;
}

export interface Person {
  id: string;
  name: Text | string;
}

export interface Session {
  /** Nobody is logged in any more; noted here, not told by the city. */
  over?: boolean;
  /** Signed in with a one-time code: a password must be set before anything else. */
  must_change?: boolean;
  actor: {
    id: string;
    name: Text;
    department: string | null;
    department_title: Text | null;
    roles: string[];
    permissions: string[];
  };
}

export interface City {
  name: string;
  title: Text;
  zone: string;
  now: Iso;
  clock: { kind: "virtual" | "system"; speed: number | null; playing: boolean; from: Iso | null; to: Iso | null };
  simulated: boolean;
  notice: Text | null;
  bounds: [number, number, number, number];
  apps: { id: string; title: Text }[];
}

export interface SeriesLine {
  name: Text;
  points: [Iso, number | null][];
  style: "observed" | "expected" | "forecast" | "band_low" | "band_high";
}

export interface SeriesEvidence {
  type: "series";
  title: Text;
  unit: string;
  series: SeriesLine[];
  thresholds: { name: Text; value: number }[];
  /** What is normal: between these two lines. */
  band?: { low: SeriesLine["points"]; high: SeriesLine["points"] } | null;
}

export type Cell = string | number | boolean | null;

export interface RowsEvidence {
  type: "rows";
  title: Text;
  dataset: string;
  source: string;
  known_at: Iso | null;
  columns: string[];
  /** What people read above the columns, by name; without it the name. */
  titles?: Record<string, Text>;
  rows: (Cell | Text)[][];
}

/** A way: time, degrees WGS84, load (0 empty, above 0 loaded, null unknown); and places it is about. */
export interface TrackEvidence {
  type: "track";
  title: Text;
  plate: string;
  points: [Iso, number, number, number | null][];
  places: { lon: number; lat: number; name: Text | string }[];
}

/** What of an object of evidence is not yours to see: all of it, or some columns; and whose it is. */
export interface Withheld {
  whole: boolean;
  datasets: { dataset: string; title: Text; department: string; department_title: Text }[];
  columns: string[];
}

export type Evidence = (SeriesEvidence | RowsEvidence | TrackEvidence) & { withheld?: Withheld };

export interface TableContent {
  type: "table";
  columns: { name: string; title: Text; unit?: string | Text | null }[];
  rows: (Cell | Text)[][];
  note: Text | null;
}

export interface TextContent {
  type: "text";
  text: Text;
}

export type PanelContent = Evidence | TableContent | TextContent;

export type AlertState = "raised" | "acknowledged" | "ended";

export interface Alert {
  id: string;
  kind: string;
  kind_title: Text;
  subject: { kind: string; id: string; name: Text };
  class: Text;
  level: Level | null;
  state: AlertState;
  raised_at: Iso;
  start_at: Iso;
  updated_at: Iso;
  ended_at: Iso | null;
  acknowledged_by: Person | null;
  acknowledged_at: Iso | null;
  incident_id: string | null;
  score: number;
  findings: number;
  area: Text | null;
  advice: Text[];
  measures: Text[];
  issuer: Text | null;
  issued_at: Iso | null;
  suppressed_by: string | null;
}

export interface AlertDetail extends Alert {
  suppression: { by: Person; until: Iso; reason: string } | null;
  standing: Record<string, Level>;
  levels: { level: Level | null; at: Iso; reason: Text | null }[];
  evidence: Evidence[];
  reasons: Text[];
}

export interface EvidenceAsked {
  kind: "photo" | "note" | "form" | "place";
  min: number;
  /** What a form holds, as JSON Schema (docs/reference: the part that forms know). */
  schema?: Record<string, unknown>;
}

export interface PlanStep {
  id: string;
  title: Text;
  unit: string;
  unit_title: Text;
  after: string[];
  delay: string | null;
  accept_within: string | null;
  due: string | null;
  evidence: EvidenceAsked[];
  verify_by: string | null;
}

export interface SuggestedPlan {
  digest: string;
  id: string;
  version: string | number;
  title: Text;
  reason: Text;
  steps: PlanStep[];
}

export type TaskState =
  | "scheduled"
  | "dispatched"
  | "accepted"
  | "submitted"
  | "verified"
  | "closed"
  | "returned"
  | "suspended"
  | "cancelled";

export type TaskVerb =
  | "accept"
  | "submit"
  | "verify"
  | "reject"
  | "return"
  | "decide_return"
  | "reassign"
  | "delegate"
  | "request_extension"
  | "decide_extension"
  | "suspend"
  | "resume"
  | "cancel"
  | "evaluate";

export interface StoredFile {
  sha256: string;
  name: string;
  bytes: number;
  media?: string;
}

/** WGS84 degrees; accuracy in metres. */
export interface GroundPlace {
  lon: number;
  lat: number;
  accuracy: number;
}

export interface Receipt {
  id: string;
  at: Iso;
  by: Person;
  note: string | null;
  files: StoredFile[];
  form: Record<string, unknown> | null;
  place?: GroundPlace | null;
  /** When the work was done, where a phone brought the receipt later. */
  done_at?: Iso | null;
  clock_off_seconds?: number | null;
}

export interface CustodySpan {
  holder: string;
  holder_title: Text;
  from: Iso;
  to: Iso | null;
  seconds: number;
  charged: boolean;
  /** A code: waiting, to_accept, to_do, to_verify, return, suspended, extension, misdispatch. */
  reason: string | null;
}

export interface Task {
  id: string;
  run_id: string;
  incident_id: string;
  /** what the incident is called; in lists of tasks and for a task by itself */
  incident_title?: Text | null;
  step: string;
  round: number;
  title: Text;
  unit: string;
  unit_title: Text;
  person: Person | null;
  state: TaskState;
  planned_at: Iso | null;
  dispatched_at: Iso | null;
  accepted_at: Iso | null;
  submitted_at: Iso | null;
  closed_at: Iso | null;
  /** How an ended round ended: done, rework, returned, reassigned, superseded, lifted. */
  outcome?: string | null;
  accept_due: Iso | null;
  due: Iso | null;
  late: boolean;
  after: string[];
  evidence: EvidenceAsked[];
  verify_by: string | null;
  /** The due time asked for, while nobody has decided on it. */
  extension_until?: Iso | null;
  escalations: { at: Iso; to: string; to_title: Text; fired_at: Iso | null }[];
  receipts: Receipt[];
  custody: CustodySpan[];
  actions: TaskVerb[];
  submitter?: Person | null;
  done_at?: Iso | null;
  /** The receipt came late, and says that the work was done in time: the verifier may let that count. */
  can_count_offline?: boolean;
  satisfied?: "yes" | "no" | "no_answer" | null;
  can_evaluate?: boolean;
  /** Ids of the clauses that mandate the step. */
  clauses?: string[];
  /** What its two times count: all time, or working time of the city's calendar. */
  clock?: "elapsed" | "working";
}

export interface Incident {
  id: string;
  title: Text;
  level: Level | null;
  state: "open" | "closed";
  alert_id: string | null;
  opened_at: Iso;
  closed_at: Iso | null;
  lifted_at?: Iso | null;
  tasks: Partial<Record<TaskState, number>>;
  late: number;
}

export interface CityEvent {
  seq: number;
  type: string;
  stream: string;
  at: Iso;
  actor: string | Person | null;
  data: Record<string, unknown>;
}

/** A commander's change of one run. */
export interface RunPatch {
  n: number;
  op: "add" | "skip" | "reassign" | "extend";
  step: string;
  reason: string;
  by: Person | null;
  at: Iso;
  unit: string | null;
  unit_title: Text | null;
  due: Iso | null;
  spec: { step?: { title?: Text; unit?: string } } | null;
}

export interface Run {
  id: string;
  plan: { id: string; version: string | number; title: Text; digest: string };
  state: string;
  started_at: Iso;
  closed_at: Iso | null;
  patches?: RunPatch[];
  tasks: Task[];
}

export interface IncidentDetail extends Incident {
  runs: Run[];
  log: CityEvent[];
}

export type SourceState = "ok" | "late" | "failing" | "refused" | "idle";

export interface Source {
  id: string;
  department: string;
  department_title: Text;
  title: Text;
  connector: string;
  connector_title: Text;
  /** Which files of it a person may hand over; null where its systems send none. */
  files: { pattern: string; most_bytes: number } | null;
  dataset: string;
  state: SourceState;
  reason: Text | null;
  next_try_at: Iso | null;
  last_delivery_at: Iso | null;
  rows: number;
  quarantined: number;
  freshness_seconds: number | null;
  deliveries: number;
  drift: { column: string; first_seen_at: Iso }[];
}

export interface SourceDelivery {
  id: string;
  name: string;
  received_at: Iso;
  state: string;
  rows: number;
  quarantined: number;
  bytes: number | null;
  reason: Text | string | null;
}

export interface SourceDetail extends Omit<Source, "deliveries"> {
  deliveries: SourceDelivery[];
  quality: {
    rows: number;
    fields: {
      name: string;
      missing: number;
      invalid: number;
      min: Cell;
      max: Cell;
      /** By cleaning step: values it changed, rows it refused. */
      cleaned?: Record<string, number>;
      refused?: Record<string, number>;
    }[];
  } | null;
}

export interface QuarantineRow {
  id: string;
  source: string;
  delivery: string;
  /** The delivery's own name: a file, a page. */
  name?: string;
  row: number | null;
  reason: { code: string; field: string | null; message: Text };
  raw: string;
  at: Iso;
  state: "open" | "replayed" | "dismissed";
  /** What of its values is not shown to you. */
  withheld?: { all: boolean; columns: string[] } | null;
}

export interface Replay {
  tried: number;
  landed: number;
  still_bad: number;
  superseded?: number;
  /** After which entry it goes on. */
  next?: string | null;
}

export interface Department {
  code: string;
  title: Text;
  kind: string;
  /** The department it stands below. */
  parent: string | null;
  level: "city" | "county" | "township";
}

export interface Band {
  from: number | null;
  to: number | null;
  label: Text;
  colour: string;
}

export interface Layer {
  id: string;
  title: Text;
  kind: "points";
  dataset: string;
  value: string;
  unit: string;
  fields?: string[];
  bands: Band[];
  key: string;
  legend: Text | null;
}

export interface LayerFeature {
  type: "Feature";
  geometry: { type: "Point"; coordinates: [number, number] } | null;
  properties: { key: string; name: Text; value: number | null; at: Iso | null; stale: boolean } & Record<
    string,
    unknown
  >;
}

export interface LayerFeatures {
  type: "FeatureCollection";
  features: LayerFeature[];
}

export interface Panel {
  id: string;
  title: Text;
  kind: "series" | "table" | "text";
  page: "command" | "incident";
}
