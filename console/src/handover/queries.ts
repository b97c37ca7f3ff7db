/** What is asked of handing over, and the shapes of the answers. All keys begin with "handover", which its events touch. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import { useMay } from "../api/queries";
import type { Iso, Level, Page, Person, SourceState, Text } from "../api/types";

export interface OpenAlert {
  id: string;
  kind_title: Text;
  subject: { kind: string; id: string; name: Text };
  level: Level;
  state: string;
  raised_at: Iso;
  incident_id: string | null;
}

export interface TaskClockRow {
  id: string;
  title: Text;
  unit_title: Text;
  state: string;
  clock: "accept" | "due";
  at: Iso | null;
}

export interface OpenIncident {
  id: string;
  title: Text;
  level: Level | null;
  opened_at: Iso;
  open: number;
  late: TaskClockRow[];
  next: TaskClockRow[];
}

interface Listed<T> {
  total: number;
  items: T[];
}

export const COUNTS = ["raised", "ended", "opened", "dispatched", "closed", "tasks_closed", "tasks_late"] as const;

export interface Standing {
  at: Iso;
  alerts: (Listed<OpenAlert> & { levels: Record<string, number>; more: boolean }) | null;
  incidents: Listed<OpenIncident> | null;
  suppressions: Listed<{
    id: string;
    kind_title: Text;
    subject: { name: Text } | null;
    level: Level;
    until: Iso;
    reason: string;
    by: Person;
  }> | null;
  sources: Listed<{
    id: string;
    title: Text;
    department_title: Text;
    state: SourceState;
    reason: Text | string | null;
    last_delivery_at: Iso | null;
  }> | null;
  shift: {
    since: Iso;
    counts: Record<(typeof COUNTS)[number], number>;
    /** More happened than was read: the counts are the least. */
    more: boolean;
    opened: { id: string; title: Text }[];
    closed: { id: string; title: Text }[];
  };
}

export interface Pin {
  kind: "alert" | "incident";
  id: string;
  title: Text;
  note: string;
}

export interface Signature {
  id: string;
  name: Text;
  at: Iso;
  on_roster: boolean;
}

export type NoteState = "draft" | "signed" | "taken";

export interface NoteHead {
  id: string;
  unit: string;
  title: Text;
  shift: string | null;
  shift_title: Text | null;
  from: Iso;
  to: Iso | null;
  state: NoteState;
  revision: number;
  words: string;
  signed: Signature | null;
  taken: Signature | null;
}

export interface Note extends Omit<NoteHead, "pins"> {
  pins: Pin[];
  written_by: Person;
  written_at: Iso;
  standing: Standing | null;
  sha256: string | null;
  reason: string;
  additions: { n: number; at: Iso; by: Person; words: string }[];
  verified: boolean | null;
}

interface Held {
  shift: string;
  day: string;
  title: Text;
  from: Iso;
  to: Iso;
  people: Person[];
}

export interface Present {
  unit: string;
  title: Text;
  units: { code: string; title: Text; rostered: boolean }[];
  watch: (Held & { over: boolean }) | null;
  since: Iso;
  next: Held | null;
  note: Note | null;
  standing: Standing;
  open: (Held & { state: NoteState | "missing"; note_id: string | null; over: boolean })[];
  may_write: boolean;
}

export interface Asked {
  role: "leaving" | "coming";
  unit: string;
  title: Text;
  shift: string;
  day: string;
  shift_title: Text;
  from: Iso;
  to: Iso;
  state: NoteState | "missing";
  note_id: string | null;
}

export const usePresent = (unit: string | null, shift: string | null, day: string | null) =>
  useQuery({
    queryKey: ["handover", "now", unit, shift, day],
    queryFn: () => get<Present>("/api/handovers/now", { unit, shift, day }),
    refetchInterval: 30_000,
    placeholderData: undefined,
  });

export const useNote = (id: string) =>
  useQuery({
    queryKey: ["handover", "note", id],
    queryFn: () => get<Note>(`/api/handovers/${encodeURIComponent(id)}`),
    placeholderData: undefined,
  });

export const useNotes = (unit: string | null) =>
  useInfiniteQuery({
    queryKey: ["handover", "notes", unit],
    queryFn: ({ pageParam }) => get<Page<NoteHead>>("/api/handovers", { unit, limit: 30, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
  });

/** Whose turn it is: asked of the city once a minute. */
export const useAsked = () => {
  const may = useMay("handover.write");
  return useQuery({
    queryKey: ["handover", "due"],
    queryFn: async () => (await get<Page<Asked>>("/api/handovers/due")).items,
    enabled: may,
    refetchInterval: 60_000,
  });
};
