/** What stood at an earlier moment, from the alerts of a span of time with the changes of their levels. */

import type { Alert, Iso, Level, Text } from "../api/types";

export interface PastAlert {
  id: string;
  kind: string;
  kind_title: Text;
  subject: Alert["subject"];
  raised_at: Iso;
  start_at: Iso;
  ended_at: Iso | null;
  acknowledged_at: Iso | null;
  incident_id: string | null;
  levels: [Iso, Level | null][];
}

/** An alert as the queue shows it. */
export type Standing = Pick<
  Alert,
  "id" | "kind_title" | "subject" | "level" | "state" | "updated_at" | "raised_at" | "incident_id"
>;

/** The level an alert had at a moment; undefined while it was not raised, null once it was over. */
export function levelAt(alert: PastAlert, at: number): Level | null | undefined {
  if (Date.parse(alert.raised_at) > at) return undefined;
  if (alert.ended_at !== null && Date.parse(alert.ended_at) <= at) return null;
  let level: Level | null | undefined;
  for (const [moment, changed] of alert.levels) if (Date.parse(moment) <= at) level = changed;
  return level ?? alert.levels[0]?.[1] ?? null;
}

/** The alerts that stood at a moment, as they were then. */
export function standing(alerts: readonly PastAlert[], at: number): Standing[] {
  return alerts.flatMap((alert) => {
    const level = levelAt(alert, at);
    if (level === undefined || level === null) return [];
    const changed = alert.levels.filter(([moment]) => Date.parse(moment) <= at).at(-1)?.[0];
    const seen = alert.acknowledged_at !== null && Date.parse(alert.acknowledged_at) <= at;
    return [
      {
        id: alert.id,
        kind_title: alert.kind_title,
        subject: alert.subject,
        level,
        state: seen ? ("acknowledged" as const) : ("raised" as const),
        updated_at: changed ?? alert.raised_at,
        raised_at: alert.raised_at,
        incident_id: null,
      },
    ];
  });
}

export const SPANS = [24, 168, 720] as const;
export type Span = (typeof SPANS)[number];
const HOUR = 3_600_000;

export interface Window {
  from: number;
  to: number;
}

/** The time that the line shows: up to now, or around a moment that lies before it. */
export function windowOf(span: Span, now: number, at: number | null): Window {
  const length = span * HOUR;
  if (at === null || at >= now - length) return { from: now - length, to: now };
  return { from: at - length / 2, to: at + length / 2 };
}

/** How many alerts were raised in each bin of the window, by level 1 to 4. */
export function lanes(
  alerts: readonly PastAlert[],
  { from, to }: Window,
  bins: number,
): [number[], number[], number[], number[]] {
  const counted = [1, 2, 3, 4].map(() => new Array<number>(bins).fill(0)) as [number[], number[], number[], number[]];
  for (const { raised_at, levels } of alerts) {
    const at = Date.parse(raised_at);
    const lane = counted[(levels[0]?.[1] ?? 4) - 1];
    if (at < from || at > to || lane === undefined) continue;
    const bin = Math.min(bins - 1, Math.floor((bins * (at - from)) / (to - from)));
    lane[bin] = (lane[bin] ?? 0) + 1;
  }
  return counted;
}
