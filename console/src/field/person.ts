/** Whose phone it is: who was last signed in here, so that the field page opens without a connection for that person only. */

import { Problem, request } from "../api/client";
import type { Session } from "../api/types";
import { emptyBox } from "./empty";
import type { Actor } from "./types";

const PERSON = "cityheart.person";
const LEAVING = "cityheart.leaving";
const WAITING = "cityheart.waiting";

interface Remembered {
  actor: Actor;
  /** The session was over when the city was last asked: the person signs in before anything is shown. */
  over: boolean;
}

export function remembered(): Remembered | null {
  try {
    return JSON.parse(localStorage.getItem(PERSON) ?? "null") as Remembered | null;
  } catch {
    return null;
  }
}

const remember = (who: Remembered | null) =>
  who === null ? localStorage.removeItem(PERSON) : localStorage.setItem(PERSON, JSON.stringify(who));

/** The city said who is signed in on this phone, or that nobody is. */
export function noticed(session: Session | null) {
  if (session !== null) {
    localStorage.removeItem(LEAVING);
    remember({ actor: session.actor, over: false });
    return;
  }
  const before = remembered();
  if (before !== null) remember({ ...before, over: true });
}

/** Who is signed in: null for nobody. Finishes a signing out that the city has not heard of yet. */
export async function askWho(patience?: number): Promise<Session | null> {
  if (localStorage.getItem(LEAVING) !== null) {
    await request<void>("DELETE", "/api/session", undefined, patience);
    localStorage.removeItem(LEAVING);
  }
  try {
    const session = await request<Session>("GET", "/api/session", undefined, patience);
    noticed(session);
    return session;
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
    noticed(null);
    return null;
  }
}

/** How many acts and photos of the person wait on this phone, for whoever is about to sign out. */
export const waitingOf = (person: string): number => Number(localStorage.getItem(`${WAITING}:${person}`) ?? 0);
export const noteWaiting = (person: string, count: number) =>
  count === 0
    ? localStorage.removeItem(`${WAITING}:${person}`)
    : localStorage.setItem(`${WAITING}:${person}`, String(count));

/** Signs out: what the phone keeps of the person is deleted, also when the city cannot be told yet. */
export async function leave(person: string): Promise<void> {
  localStorage.setItem(LEAVING, "1");
  remember(null);
  noteWaiting(person, 0);
  const told = request<void>("DELETE", "/api/session").then(
    () => localStorage.removeItem(LEAVING),
    () => undefined,
  );
  await Promise.all([told, emptyBox(person)]);
}
