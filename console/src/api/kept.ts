/** What somebody has begun to write stays through a reload or a restart of the city, in this window only. */

import { useCallback, useState } from "react";
import { useSession } from "./queries";

const PREFIX = "cityheart.kept.";

function read<T>(key: string): T | undefined {
  try {
    const text = window.sessionStorage.getItem(PREFIX + key);
    return text === null ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined; // no storage, or not ours: begin anew
  }
}

function write(key: string, value: unknown): void {
  try {
    if (value === undefined) window.sessionStorage.removeItem(PREFIX + key);
    else window.sessionStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Full or forbidden: the page still works, it only forgets.
  }
}

export interface Kept<T> {
  value: T;
  set(value: T | ((before: T) => T)): void;
  /** It was sent, or is not wanted any more. */
  forget(): void;
  /** Whether something was there that was not sent. */
  found: boolean;
}

/** A state that is kept under this name for the person at the console; `initial` where nothing is kept. */
export function useKept<T>(name: string, initial: T): Kept<T> {
  const person = useSession().data?.actor.id ?? "";
  const key = `${person}.${name}`;
  const [state, setState] = useState<{ key: string; value: T | undefined; found: boolean }>(() => load(key));
  // Another name, another draft.
  const present = state.key === key ? state : load<T>(key);
  if (present !== state) setState(present);
  const set = useCallback(
    (change: T | ((before: T) => T)) =>
      setState((before) => {
        const was = before.value ?? initial;
        const value = typeof change === "function" ? (change as (before: T) => T)(was) : change;
        write(key, value);
        return { key, value, found: before.found };
      }),
    [key, initial],
  );
  const forget = useCallback(() => {
    write(key, undefined);
    setState({ key, value: undefined, found: false });
  }, [key]);
  return { value: present.value ?? initial, set, forget, found: present.found };
}

function load<T>(key: string): { key: string; value: T | undefined; found: boolean } {
  const value = read<T>(key);
  return { key, value, found: value !== undefined };
}

/** Who signs out leaves nothing of what was begun to whoever sits down next. */
export function forgetAll(): void {
  try {
    for (const key of Object.keys(window.sessionStorage))
      if (key.startsWith(PREFIX)) window.sessionStorage.removeItem(key);
  } catch {
    // No storage: nothing was kept.
  }
}

/** Where a command's id is kept until the city has answered, so that the same click after a reload is the same click. */
export const commandShelf = (name: string) => ({
  take: () => read<{ key: string; id: string }>(`command.${name}`) ?? null,
  put: (current: { key: string; id: string } | null) => write(`command.${name}`, current ?? undefined),
});
