/** The period that a page is about, as its address says it: the last days, a month, days of one's own, or everything. */

import type { Iso } from "../api/types";
import { dayStart } from "../time/format";

export const CHOICES = ["7d", "30d", "month", "own", "all"] as const;
export type Choice = (typeof CHOICES)[number];

export interface Period {
  choice: Choice;
  /** The first day and the last day, "2015-12-07"; null: from the first task on, or up to the present. */
  from: string | null;
  through: string | null;
}

const DAY = /^\d{4}-\d\d-\d\d$/;
const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

/** A day some days later, or earlier. */
export function moved(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

function real(day: string | null): string | null {
  if (day === null || !DAY.test(day)) return null;
  const ms = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day) ? day : null;
}

export const nextMonth = (month: string): string => moved(`${month}-28`, 4).slice(0, 7);

/** The period of an address; the last 30 days where it says nothing that can be read. */
export function periodOf(params: URLSearchParams, today: string): Period {
  const said = params.get("period");
  const from = real(params.get("from"));
  const to = real(params.get("to"));
  const upto = (day: string | null) => (day === null || day >= today ? null : day);
  if (said === "all") return { choice: "all", from: null, through: null };
  if (said === "7d") return { choice: "7d", from: moved(today, -6), through: null };
  if (said !== null && MONTH.test(said))
    return { choice: "month", from: `${said}-01`, through: upto(moved(`${nextMonth(said)}-01`, -1)) };
  if (said === "own" || (said === null && (from !== null || to !== null)))
    return { choice: "own", from, through: upto(to) };
  return { choice: "30d", from: moved(today, -29), through: null };
}

/** Its first moment, and the moment behind its last day; null as in the period. */
export function bounds({ from, through }: Period, zone: string): { from: Iso | null; to: Iso | null } {
  return {
    from: from === null ? null : dayStart(from, zone),
    to: through === null ? null : dayStart(moved(through, 1), zone),
  };
}
