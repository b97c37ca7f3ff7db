import type { Iso } from "../api/types";
import { dayStart } from "../time/format";

/** The middle of a calendar day of the city: where its number stands in a chart. */
export const noon = (day: string, zone: string): Iso =>
  new Date(Date.parse(dayStart(day, zone)) + 12 * 3_600_000).toISOString();

export const nextDay = (day: string): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
