/** What residents reported, as the city's HTTP API shows it. */

import type { CityEvent, Iso, Level, Text } from "../api/types";

export const STATES = ["open", "dispatching", "dispatched", "closed", "dismissed", "merged"] as const;
export type MatterState = (typeof STATES)[number];

/** Degrees WGS84. */
export interface Point {
  lon: number;
  lat: number;
}

export interface Candidate {
  unit: string;
  unit_title: Text | null;
  /** Probability, 0 to 1. */
  score: number;
  reasons: Text[];
}

export interface Matter {
  id: string;
  state: MatterState;
  service: string;
  service_title: Text | null;
  title: string;
  address: string;
  place: Point | null;
  reports: number;
  first_at: Iso;
  last_at: Iso;
  opened_at: Iso;
  updated_at: Iso;
  closed_at: Iso | null;
  proposed: {
    unit: string | null;
    unit_title: Text | null;
    level: Level | null;
    /** The name of the plan that a decision table gives. */
    plan: string | null;
    /** The digest of the decision table that decided, where one did. */
    rule: string | null;
    candidates: Candidate[];
  };
  handler: string | null;
  handler_title: Text | null;
  incident: string | null;
  merged_into: string | null;
  note: string | null;
}

export interface Report {
  id: string;
  source: string;
  external: string;
  version: number;
  at: Iso;
  received_at: Iso;
  service: string | null;
  text: string;
  address: string;
  place: Point | null;
  attributes: Record<string, unknown>;
  media: string | null;
  /** Why it is in this matter: by the program or a person, how likely, in which respects it is alike. */
  why: { by: string; score: number | null; reasons: Text[]; at: Iso };
}

export interface Similar {
  id: string;
  title: string;
  state: MatterState;
  reports: number;
  score: number;
  reasons: Text[];
}

export interface MatterDetail extends Matter {
  items: Report[];
  similar: Similar[];
  plans: { digest: string; title: Text; reason: Text }[];
  history: (CityEvent & { actor_name: Text | null })[];
}

export interface MatterPage {
  items: Matter[];
  total: number;
  counts: Partial<Record<MatterState, number>>;
  next: string | null;
}

export interface Service {
  code: string;
  title: Text;
  group: string;
}
