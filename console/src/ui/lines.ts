/** How the lines of a series are told apart: the finding in accent, others in quiet tones; forecasts are dashed. */

import type { SeriesEvidence, SeriesLine } from "../api/types";

export interface Look {
  tone: "accent" | "muted" | "bar";
  dash: "solid" | [number, number];
}

const isLine = ({ style }: SeriesLine) => style === "observed" || style === "forecast" || style === "expected";

/** The normal band as two lines among the others, also where it is given beside them. */
export function withBand(evidence: SeriesEvidence): SeriesEvidence {
  const { band, ...rest } = evidence;
  if (!band) return evidence;
  const title = { "zh-CN": "正常范围", en: "normal" };
  return {
    ...rest,
    series: [
      ...evidence.series,
      { name: title, points: band.low, style: "band_low" },
      { name: title, points: band.high, style: "band_high" },
    ],
  };
}

export const linesOf = ({ series }: SeriesEvidence): SeriesLine[] => series.filter(isLine);

export function lookOf(line: SeriesLine, index: number): Look {
  if (line.style === "forecast") return { tone: "accent", dash: [5, 4] };
  if (line.style === "expected") return { tone: "muted", dash: [2, 3] };
  if (index === 0) return { tone: "accent", dash: "solid" };
  return { tone: index % 2 === 1 ? "muted" : "bar", dash: index % 4 < 2 ? "solid" : [2, 3] };
}

/** What fits beside a chart: so many Latin letters, half as many Chinese characters. */
const FITS = 16;
/** So far apart, as a share of the chart's height, are names at the ends of lines that do not cover one another. */
const APART = 0.1;

/** How wide words are, counted in Latin letters. */
export const widthOf = (name: string) => [...name].reduce((sum, one) => sum + (one > "\u2e7f" ? 2 : 1), 0);

/**
 * Whether every line can carry its name at its end: there are several, they end at the same moment and apart from one
 * another, and their names are short enough to be read whole. Else the names stand below.
 */
export function namedAtEnd(lines: readonly SeriesLine[], say: (name: SeriesLine["name"]) => string): boolean {
  if (lines.length < 2 || new Set(lines.map(({ points }) => points.at(-1)?.[0])).size !== 1) return false;
  if (lines.some(({ name }) => widthOf(say(name)) > FITS)) return false;
  const ends = lines.map(({ points }) => points.at(-1)?.[1] ?? Number.NaN).sort((one, other) => one - other);
  const values = lines.flatMap(({ points }) => points.flatMap(([, value]) => (value === null ? [] : [value])));
  const height = Math.max(0, ...values) - Math.min(0, ...values);
  return ends.every((end, at) => at === 0 || end - (ends[at - 1] ?? Number.NaN) >= APART * height);
}

/** Which points stand alone between holes: no line leads to them, so that they have to be drawn themselves. */
export function alone({ points }: SeriesLine): boolean[] {
  const known = (at: number) => points[at] !== undefined && points[at]?.[1] !== null;
  return points.map((_, at) => known(at) && !known(at - 1) && !known(at + 1));
}
