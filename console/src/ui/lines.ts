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

/** Whether every line can carry its name at its end: there are several, and they end at the same moment. */
export function namedAtEnd(lines: readonly SeriesLine[]): boolean {
  const ends = new Set(lines.map(({ points }) => points.at(-1)?.[0]));
  return lines.length > 1 && ends.size === 1;
}

/** Which points stand alone between holes: no line leads to them, so that they have to be drawn themselves. */
export function alone({ points }: SeriesLine): boolean[] {
  const known = (at: number) => points[at] !== undefined && points[at]?.[1] !== null;
  return points.map((_, at) => known(at) && !known(at - 1) && !known(at + 1));
}
