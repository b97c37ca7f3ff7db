/** Severity as the law orders it: 1 red, 2 orange, 3 yellow, 4 blue; null when the matter is over. */

import type { Level } from "../api/types";

export type SeverityName = "red" | "orange" | "yellow" | "blue" | "none";
export type SeverityShape = "octagon" | "diamond" | "triangle" | "circle" | "ring";

const NAMES: Record<Level, SeverityName> = { 1: "red", 2: "orange", 3: "yellow", 4: "blue" };
const SHAPES: Record<SeverityName, SeverityShape> = {
  red: "octagon",
  orange: "diamond",
  yellow: "triangle",
  blue: "circle",
  none: "ring",
};

export const severityName = (level: Level | null): SeverityName => (level === null ? "none" : (NAMES[level] ?? "none"));
export const severityShape = (level: Level | null): SeverityShape => SHAPES[severityName(level)];

/** The queue's order: unacknowledged first, then the graver, then the newer. */
export function triage<T extends { state: string; level: Level | null; updated_at: string }>(
  alerts: readonly T[],
): T[] {
  const weight = ({ state }: T) => (state === "raised" ? 0 : state === "acknowledged" ? 1 : 2);
  return [...alerts].sort(
    (a, b) => weight(a) - weight(b) || (a.level ?? 9) - (b.level ?? 9) || b.updated_at.localeCompare(a.updated_at),
  );
}

/** Black or white, whichever reads better (WCAG contrast) on a "#rrggbb" colour. */
export function ink(colour: string): "#000000" | "#ffffff" {
  const channels = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * (channels[0] ?? 0) + 0.7152 * (channels[1] ?? 0) + 0.0722 * (channels[2] ?? 0);
  return luminance > 0.179 ? "#000000" : "#ffffff";
}
