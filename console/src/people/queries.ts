/** Accounts, their sessions, and roles in words. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Iso, Text } from "../api/types";

export interface SessionOpen {
  id: string;
  opened_at: Iso;
  seen_at: Iso | null;
  expires_at: Iso;
  agent: string | null;
  current?: boolean;
}

export interface Account {
  id: string;
  username: string;
  name: Text;
  department: string | null;
  department_title: Text | null;
  roles: string[];
  created_at: Iso;
  blocked_at: Iso | null;
  email: string | null;
  must_change: boolean;
  code_until: Iso | null;
  last_sign_in_at: Iso | null;
  manageable: boolean;
  self: boolean;
}

export interface Role {
  id: string;
  title: Text;
  what: Text;
  grants: Record<string, "city" | "department">;
}

export interface Roles {
  roles: Role[];
  permissions: { id: string; title: Text }[];
  may_give: string[];
}

export interface Filter {
  q: string;
  department: string;
  role: string;
  state: string;
}

interface Page {
  items: Account[];
  total: number;
  next: string | null;
  counts: Record<"active" | "blocked" | "must_change", number>;
}

export const useAccounts = (filter: Filter) =>
  useInfiniteQuery({
    queryKey: ["accounts", filter],
    queryFn: ({ pageParam }) => get<Page>("/api/accounts", { ...filter, limit: 100, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    placeholderData: (before) => before,
  });

export const useAccount = (username: string) =>
  useQuery({
    queryKey: ["accounts", "one", username],
    queryFn: () => get<Account & { sessions: SessionOpen[] }>(`/api/accounts/${encodeURIComponent(username)}`),
  });

export const useRoles = () =>
  useQuery({ queryKey: ["roles"], queryFn: () => get<Roles>("/api/roles"), staleTime: 600_000 });

export const useMe = () =>
  useQuery({ queryKey: ["me"], queryFn: () => get<Account & { sessions: SessionOpen[] }>("/api/me") });
