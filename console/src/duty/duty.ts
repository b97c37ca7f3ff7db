/** What the duty pages ask, and the shapes of the answers. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Iso, Text } from "../api/types";

export interface Person {
  id: string;
  name: Text;
}

export interface OnDuty {
  unit: string;
  unit_title: Text;
  shift: string;
  title: Text;
  person: Person;
  instead_of: Person | null;
  from: Iso;
  to: Iso;
}

export interface Deputy {
  id: string;
  person: Person;
  deputy: Person;
  from: Iso;
  to: Iso;
  reason: string;
}

export interface Shift {
  id: string;
  unit: string;
  title: Text;
  starts: string;
  ends: string;
  days: "all" | "working" | "off";
  rotation: "everyone" | "daily" | "weekly";
  people: Person[];
  valid_from: string;
  valid_until: string | null;
}

export interface Watch {
  shift: string;
  day: string;
  from: Iso;
  to: Iso;
  people: Person[];
  exchanged: boolean;
}

export interface Roster {
  unit: string;
  title: Text;
  shifts: Shift[];
  watches: Watch[];
  gaps: { from: Iso; to: Iso }[];
  may_change: boolean;
}

export interface Staff {
  id: string;
  username: string;
  name: Text;
  department: string | null;
  reachable: boolean;
}

export const useDuty = () =>
  useQuery({
    queryKey: ["duty"],
    queryFn: () => get<{ items: { unit: string; title: Text; on_duty: OnDuty[] }[]; deputies: Deputy[] }>("/api/duty"),
    refetchInterval: 60_000,
  });

export const useRoster = (unit: string | null, from: Iso, to: Iso) =>
  useQuery({
    queryKey: ["duty", "roster", unit, from, to],
    queryFn: () => get<Roster>("/api/duty/roster", { unit, from, to }),
    enabled: unit !== null,
  });

export const useStaff = (unit: string | null, enabled: boolean) =>
  useQuery({
    queryKey: ["duty", "staff", unit],
    queryFn: async () => (await get<{ items: Staff[] }>("/api/duty/staff", { unit })).items,
    enabled: enabled && unit !== null,
  });
