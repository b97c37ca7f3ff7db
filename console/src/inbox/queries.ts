/** The inbox of the person who asks. The key begins with the word that live events of inboxes invalidate. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { get, post } from "../api/client";
import type { Iso, Text } from "../api/types";

export interface Letter {
  id: string;
  /** A department's code, a role, or `person:ACCOUNT`. */
  recipient: string;
  topic: string;
  subject: Text;
  lines: Text[];
  /** Where in the console it leads. */
  path: string;
  at: Iso;
  read_at: Iso | null;
  /** The one that it is about. */
  incident: string | null;
}

export interface Inbox {
  items: Letter[];
  total: number;
  /** Of everything, not only of what is sought; counted up to a thousand. */
  unread: number;
  /** Under which names one is written to. */
  recipients: string[];
  next: string | null;
}

export const TOPICS = ["orders", "escalations", "other"] as const;
export type Topic = (typeof TOPICS)[number];

/** Which letters are looked for; null and false mean any. */
export interface Sought {
  unread: boolean;
  topic: Topic | null;
  to: string | null;
  text: string | null;
  since: Iso | null;
  until: Iso | null;
  incident: string | null;
}

const PAGE = 100;

export const useUnread = () =>
  useQuery({
    queryKey: ["inbox", "unread"],
    queryFn: () => get<Inbox>("/api/inbox", { unread: true, limit: 1 }),
    select: ({ unread }) => unread,
    staleTime: 30_000,
  });

export const useInbox = (sought: Sought) =>
  useInfiniteQuery({
    queryKey: ["inbox", "list", sought],
    queryFn: ({ pageParam }) => get<Inbox>("/api/inbox", { ...sought, limit: PAGE, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    placeholderData: (before) => before,
  });

/** One letter is read, or all that are looked for. */
export function useRead() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (what: string | Sought) =>
      typeof what === "string"
        ? post<{ unread: number }>(`/api/inbox/${encodeURIComponent(what)}/read`)
        : post<{ unread: number }>("/api/inbox/read", what),
    onSettled: () => client.invalidateQueries({ queryKey: ["inbox"] }),
  });
}
