/** What a phone keeps while it has no connection. Times of the phone are milliseconds since 1970. */

import type { GroundPlace, Iso, Session, Task, TaskVerb, Text } from "../api/types";

export type Actor = Session["actor"];

/** What a person can do with a task in the field. */
export const FIELD_VERBS = ["accept", "submit", "return", "request_extension"] as const satisfies readonly TaskVerb[];
export type FieldVerb = (typeof FIELD_VERBS)[number];

export interface ActBody {
  note?: string;
  reason?: string;
  clause?: string | null;
  until?: Iso;
  form?: Record<string, unknown>;
  place?: GroundPlace;
}

/** A refusal as the city told it. */
export interface Refusal {
  status: number;
  code: string;
  detail: string;
  remedy: string | null;
  more: Readonly<Record<string, unknown>>;
}

/** An act that was pressed and has not reached the city. `id` is its command id, made when it was pressed. */
export interface Waiting {
  id: string;
  order: number;
  task: string;
  title: Text;
  verb: FieldVerb;
  body: ActBody;
  /** When it was pressed: by the phone's clock, except in a simulated city (see clock.ts). */
  at: Iso;
  photos: PhotoNote[];
  refusal: Refusal | null;
}

/** A photo without its bytes, which lie beside under the same key. */
export interface PhotoNote {
  key: string;
  name: string;
  bytes: number;
  /** It lies with the city. */
  sent: boolean;
}

/** What was written and photographed for a task and not yet submitted. */
export interface Draft {
  task: string;
  note: string;
  form: Record<string, unknown>;
  place: GroundPlace | null;
  photos: PhotoNote[];
}

/** What the city's clock said at a moment of the phone's clock. */
export interface Anchor {
  phone: number;
  city: number;
  /** Seconds of the city in a second of the phone; 1 unless the city is simulated. */
  speed: number;
  simulated: boolean;
  zone: string;
  title: Text;
}

export interface Meta {
  /** How far the city's log of changes was read. */
  cursor: number | null;
  anchor: Anchor | null;
  /** Since when the city cannot be reached, by the phone's clock; null while it can. */
  offlineSince: number | null;
  /** When everything was last exchanged. */
  syncedAt: number | null;
  /** Titles of clauses, by id. */
  clauses: Record<string, Text>;
}

export interface Kept {
  tasks: Map<string, Task>;
  acts: Map<string, Waiting>;
  drafts: Map<string, Draft>;
  meta: Meta;
}

/** One transaction: all of it is kept, or nothing. */
export interface Change {
  tasks?: { put?: Task[]; drop?: string[] };
  acts?: { put?: Waiting[]; drop?: string[] };
  drafts?: { put?: Draft[]; drop?: string[] };
  photos?: { put?: { key: string; blob: Blob }[]; drop?: string[] };
  meta?: Partial<Meta>;
}

/** Where it is kept. */
export interface Box {
  read(): Promise<Kept>;
  photo(key: string): Promise<Blob | null>;
  /** Resolves when it would survive the phone's being switched off. */
  write(change: Change): Promise<void>;
  close(): void;
}

export const EMPTY_META: Meta = { cursor: null, anchor: null, offlineSince: null, syncedAt: null, clauses: {} };
