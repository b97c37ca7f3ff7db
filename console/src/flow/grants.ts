/** What the city tells about who may read what, and the questions for it. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Cell, Iso, Page, Person, Text } from "../api/types";
import type { Labels } from "../ui/Cell";

export type Use = "read" | "alert" | "live";

export interface Party {
  department: string | null;
  department_title: Text | null;
  role: string | null;
  handlers: boolean;
  person: { id: string; username?: string; name?: Text; department?: string | null } | null;
}

export interface Grant {
  id: string;
  dataset: string;
  owner: string;
  to: Party;
  title: Text;
  purpose: Text;
  columns: string[];
  /** A condition on the rows; null when there is none or when it is not for you. */
  rows: string | null;
  limited: boolean;
  uses: Use[];
  state: "proposed" | "given" | "declined" | "revoked" | "expired";
  since: Iso;
  until: Iso | null;
  origin: string | null;
  given_by: Person | null;
  given_at: Iso | null;
  ended_by: Person | null;
  ended_at: Iso | null;
  reason: string;
  may: { revoke: boolean; answer: boolean };
}

export interface SharingRequest {
  id: string;
  dataset: string;
  dataset_title: Text;
  owner: string;
  owner_title: Text;
  to: Party;
  columns: string[];
  rows: string | null;
  uses: Use[];
  purpose: string;
  until: Iso | null;
  state: "open" | "granted" | "refused" | "withdrawn";
  asked_by: Person;
  asked_at: Iso;
  due_at: Iso;
  late: boolean;
  rule: { title: Text; source: Text; verified: boolean };
  decided_by: Person | null;
  decided_at: Iso | null;
  reason: string;
  may: { decide: boolean; withdraw: boolean };
}

export interface RowsPage {
  items: Record<string, Cell>[];
  total: number;
  next: number | null;
  columns: { name: string; title: Text; unit: string | null; type: string; labels: Labels; withheld: boolean }[];
  limited: boolean;
}

export interface Grants extends Page<Grant> {
  may: { give: boolean };
}

export const useGrants = (dataset: string) =>
  useQuery({
    queryKey: ["flow", "grants", dataset],
    queryFn: () => get<Grants>("/api/grants", { dataset, limit: 200 }),
  });

export const useRequests = (dataset: string | null, state: "open" | "all") =>
  useQuery({
    queryKey: ["flow", "requests", dataset, state],
    queryFn: () => get<Page<SharingRequest>>("/api/requests", { dataset, state, limit: 100 }),
  });

export const useRows = (dataset: string, where: string, after: number, enabled: boolean) =>
  useQuery({
    queryKey: ["flow", "rows", dataset, where, after],
    queryFn: () =>
      get<RowsPage>(`/api/datasets/${encodeURIComponent(dataset)}/rows`, { where: where || null, after, limit: 20 }),
    enabled,
    retry: false,
  });
