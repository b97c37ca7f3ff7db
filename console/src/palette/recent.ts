/** What a person opened lately from the palette; kept on this device, for each person apart. */

import type { Text } from "../api/types";

export interface Item {
  kind: "page" | "alert" | "incident" | "task" | "subject" | "source" | "dataset" | "plan";
  id: string;
  title: Text;
  detail: Text;
  path: string;
  level?: 1 | 2 | 3 | 4 | null;
  state?: string | null;
}

const KEPT = 8;
const key = (person: string) => `cityheart.recent.${person}`;

export function recent(person: string): Item[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(key(person)) ?? "[]");
    return Array.isArray(stored) ? (stored as Item[]).filter((one) => isItem(one)).slice(0, KEPT) : [];
  } catch {
    return [];
  }
}

export function remember(person: string, { kind, id, title, path }: Item): void {
  // Nothing that changes is kept: only how to get there again.
  const kept: Item = { kind, id, title, detail: {}, path };
  const others = recent(person).filter((one) => one.path !== path);
  localStorage.setItem(key(person), JSON.stringify([kept, ...others].slice(0, KEPT)));
}

const isItem = (one: unknown): one is Item => {
  const { path, title } = (one ?? {}) as Partial<Item>;
  return typeof path === "string" && path.startsWith("/") && typeof title === "object" && title !== null;
};
