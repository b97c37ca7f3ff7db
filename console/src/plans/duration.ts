/** Lengths of time as a person gives them: a number and a unit, never PT3H. */

import { isoSeconds } from "../time/format";

export const UNITS = ["minutes", "hours", "days"] as const;
export type Unit = (typeof UNITS)[number];
export interface Length {
  amount: number;
  unit: Unit;
}

const SECONDS: Record<Unit, number> = { minutes: 60, hours: 3_600, days: 86_400 };

/** The largest unit in which the length is a whole number; null when there is none of at least a minute. */
export function split(iso: string | null | undefined): Length | null {
  const seconds = isoSeconds(iso ?? null);
  if (seconds === null || seconds <= 0) return null;
  for (const unit of ["days", "hours", "minutes"] as const)
    if (seconds % SECONDS[unit] === 0) return { amount: seconds / SECONDS[unit], unit };
  return null;
}

/** ISO 8601 in the spelling of the plans: PT30M, PT3H, P2D. */
export const joined = ({ amount, unit }: Length): string =>
  unit === "days" ? `P${amount}D` : `PT${amount}${unit === "hours" ? "H" : "M"}`;
