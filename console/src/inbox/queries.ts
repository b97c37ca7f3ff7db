/** The inbox of the person who asks. The key begins with the word that live events of inboxes invalidate. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
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
}

export interface Inbox {
  items: Letter[];
  total: number;
  unread: number;
  next: string | null;
}

export const PAGE = 50;

export const useUnread = () =>
  useQuery({
    queryKey: ["inbox", "unread"],
    queryFn: () => get<Inbox>("/api/inbox", { unread: true, limit: 1 }),
    select: ({ unread }) => unread,
    staleTime: 30_000,
  });

export const useInbox = (unread: boolean, pages: number) =>
  useQuery({
    queryKey: ["inbox", "list", unread, pages],
    queryFn: async (): Promise<Inbox> => {
      let page = await get<Inbox>("/api/inbox", { unread, limit: PAGE });
      const items = [...page.items];
      for (let more = 1; more < pages && page.next !== null; more += 1) {
        page = await get<Inbox>("/api/inbox", { unread, limit: PAGE, after: page.next });
        items.push(...page.items);
      }
      return { ...page, items };
    },
  });

/** One message, or all with null, is read. */
export function useRead() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string | null) =>
      post<{ unread: number }>(id === null ? "/api/inbox/read" : `/api/inbox/${encodeURIComponent(id)}/read`),
    onSettled: () => client.invalidateQueries({ queryKey: ["inbox"] }),
  });
}
