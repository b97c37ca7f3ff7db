/** A chart for a panel: lines, normal band, thresholds and now, drawn as SVG here; pages of evidence have the large one. */

import { type PointerEvent, useMemo, useRef, useState } from "react";
import type { SeriesEvidence } from "../api/types";
import { useWords } from "../i18n";
import { cityTime } from "../time/format";
import { linesOf, lookOf } from "./lines";
import { useZone } from "./Time";
import "./little.css";

type Point = readonly [at: number, value: number | null];

const WIDTH = 640; // of the drawing; it is stretched to the panel
const NICE = [1, 2, 2.5, 5, 10];

/** Round numbers that hold all values, and the marks between them. */
export function scaleOf(values: readonly number[], marks = 4): { low: number; high: number; ticks: number[] } {
  const least = values.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
  const most = values.reduce((high, value) => Math.max(high, value), Number.NEGATIVE_INFINITY);
  if (!(least <= most)) return { low: 0, high: 1, ticks: [0, 1] };
  const wide = most - least || Math.abs(most) || 1;
  const low = least >= 0 && least < wide ? 0 : least;
  const rough = (most - low || wide) / marks;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (NICE.find((one) => one * power >= rough) ?? 10);
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(most / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
  return { low: first * step, high: last * step, ticks };
}

/** One path for each stretch without a gap. */
export function pathOf(points: readonly Point[], x: (at: number) => number, y: (value: number) => number): string {
  let pen = "M";
  let path = "";
  for (const [at, value] of points) {
    if (value === null) {
      pen = "M";
      continue;
    }
    path += `${pen}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
  }
  return path;
}

export function LittleChart({
  evidence,
  now,
  height,
}: {
  evidence: SeriesEvidence;
  now: number | null;
  height: number;
}) {
  const { say, number } = useWords();
  const zone = useZone();
  const box = useRef<HTMLDivElement>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const drawn = useMemo(() => {
    const all = evidence.series.map((line) => ({
      line,
      points: line.points.map(([at, value]): Point => [Date.parse(at), value]),
    }));
    const values = all.flatMap(({ points }) => points.flatMap(([, value]) => (value === null ? [] : [value])));
    const times = all.flatMap(({ points }) => [points[0]?.[0], points.at(-1)?.[0]]).filter((at) => at !== undefined);
    const from = Math.min(...times);
    const to = Math.max(from + 1, ...times);
    const { low, high, ticks } = scaleOf([...values, ...evidence.thresholds.map(({ value }) => value)]);
    return { all, from, to, low, high, ticks };
  }, [evidence]);
  const { all, from, to, low, high, ticks } = drawn;
  const tall = height - 22;
  const x = (at: number) => (WIDTH * (at - from)) / (to - from);
  const y = (value: number) => tall - (tall * (value - low)) / (high - low || 1);
  const band = ["band_low", "band_high"].map((style) => all.find(({ line }) => line.style === style)?.points ?? []);
  const lines = linesOf(evidence);
  const move = (event: PointerEvent) => {
    const at = box.current?.getBoundingClientRect();
    if (at) setHovered(from + ((to - from) * (event.clientX - at.left)) / at.width);
  };
  const read = hovered === null ? null : nearestOf(all[0]?.points ?? [], hovered);
  const shape =
    band[0]?.length && band[1]?.length
      ? `${pathOf(band[1] ?? [], x, y)}${pathOf([...(band[0] ?? [])].reverse(), x, y).replace("M", "L")}Z`
      : null;
  return (
    <div className="little" role="img" aria-label={say(evidence.title)}>
      <div className="little-scale" aria-hidden="true" style={{ height: tall }}>
        {ticks.map((tick) => (
          <span key={tick} style={{ top: `${(100 * y(tick)) / tall}%` }}>
            {number(tick)}
          </span>
        ))}
      </div>
      <div ref={box} className="little-body" onPointerMove={move} onPointerLeave={() => setHovered(null)}>
        <svg viewBox={`0 0 ${WIDTH} ${tall}`} preserveAspectRatio="none" height={tall} aria-hidden="true">
          {ticks.map((tick) => (
            <path key={tick} className="little-grid" d={`M0 ${y(tick)}H${WIDTH}`} />
          ))}
          {shape && <path d={shape} className="little-band" />}
          {evidence.thresholds.map(({ name, value }) => (
            <path key={`${say(name)}${value}`} className="little-threshold" d={`M0 ${y(value)}H${WIDTH}`} />
          ))}
          {now !== null && now >= from && now <= to && <path className="little-now" d={`M${x(now)} 0V${tall}`} />}
          {lines.map((line, index) => {
            const { tone, dash } = lookOf(line, index);
            const points = all.find((one) => one.line === line)?.points ?? [];
            return (
              <path
                key={`${line.style}${say(line.name)}`}
                className="little-line"
                d={pathOf(points, x, y)}
                stroke={`var(--${tone})`}
                strokeDasharray={dash === "solid" ? undefined : dash.join(" ")}
              />
            );
          })}
          {read !== null && <path className="little-read" d={`M${x(read[0])} 0V${tall}`} />}
        </svg>
        {evidence.thresholds.map(({ name, value }) => (
          <span key={`${say(name)}${value}`} className="little-name" style={{ top: y(value) }} aria-hidden="true">
            {say(name)} {number(value)}
          </span>
        ))}
        <div className="little-axis" aria-hidden="true">
          <span>{cityTime(from, zone, "short")}</span>
          <span className="numeric">
            {read === null ? "" : `${cityTime(read[0], zone, "short")}  ${number(read[1])} ${evidence.unit}`}
          </span>
          <span>{cityTime(to, zone, "short")}</span>
        </div>
      </div>
    </div>
  );
}

function nearestOf(points: readonly Point[], at: number): Point | null {
  let best: Point | null = null;
  for (const point of points) if (best === null || Math.abs(point[0] - at) < Math.abs(best[0] - at)) best = point;
  return best;
}
