/** Lines over time: observed in accent, forecast dashed, its band in grey, thresholds as named lines. */

import { useComputedColorScheme } from "@mantine/core";
import { LineChart } from "echarts/charts";
import { GridComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import type { SeriesEvidence, SeriesLine } from "../api/types";
import { useWords, type Words } from "../i18n";
import { zoneOffset } from "../time/format";
import { alone, linesOf, lookOf, namedAtEnd } from "./lines";
import { useZone } from "./Time";
import { FONTS } from "./theme";

echarts.use([LineChart, GridComponent, TooltipComponent, MarkLineComponent, CanvasRenderer]);

export interface Extent {
  from: number;
  to: number;
}

interface Paint {
  accent: string;
  ink: string;
  muted: string;
  line: string;
  surface: string;
  bar: string;
  late: string;
}

function paint(): Paint {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    accent: read("accent"),
    ink: read("ink"),
    muted: read("muted"),
    line: read("line"),
    surface: read("surface"),
    bar: read("bar"),
    late: read("late"),
  };
}

function options(
  evidence: SeriesEvidence,
  extent: Extent | null,
  now: number | null,
  zone: string,
  colours: Paint,
  words: Words,
): echarts.EChartsCoreOption {
  // ECharts knows only UTC and the browser's zone: wall-clock times of the city are given to it as if they were UTC.
  const wall = (ms: number) => ms + zoneOffset(ms, zone);
  const points = (line: SeriesLine) =>
    line.points.map(([at, value]) => [wall(Date.parse(at)), value] as [number, number | null]);
  const lines = linesOf(evidence);
  const named = namedAtEnd(lines, words.say);
  const drawn: Record<string, unknown>[] = lines.map((line, index) => {
    const { tone, dash } = lookOf(line, index);
    const main = tone === "accent";
    const colour = colours[tone];
    return {
      type: "line",
      name: words.say(line.name),
      data: marked(points(line), alone(line)),
      showSymbol: true,
      symbol: line.points.length < 3 ? "circle" : "none",
      symbolSize: 5,
      connectNulls: false,
      lineStyle: { color: colour, width: main ? 2 : 1.5, type: dash },
      itemStyle: { color: colour },
      endLabel: {
        show: named,
        formatter: "{a}",
        color: main ? colours.accent : colours.muted,
        fontSize: 11,
        distance: 4,
        width: 92,
        overflow: "truncate",
      },
      labelLayout: { moveOverlap: "shiftY" },
      z: main ? 4 : 3,
    };
  });
  const low = evidence.series.find(({ style }) => style === "band_low");
  const high = evidence.series.find(({ style }) => style === "band_high");
  if (low && high) {
    const floor = new Map(low.points);
    const common = { type: "line", stack: "band", showSymbol: false, silent: true, lineStyle: { opacity: 0 }, z: 1 };
    const tall = high.points.map(
      ([at, value]) =>
        [wall(Date.parse(at)), value === null ? null : value - (floor.get(at) ?? value)] as [number, number | null],
    );
    drawn.push({ ...common, name: "\u0000low", data: points(low) });
    drawn.push({ ...common, name: "\u0000high", data: tall, areaStyle: { color: colours.bar, opacity: 0.25 } });
  }
  const marks: Record<string, unknown>[] = evidence.thresholds.map(({ name, value }) => ({
    yAxis: value,
    label: { formatter: `${words.say(name)} ${value}`, position: "insideStartTop", ...label(colours) },
    lineStyle: { color: colours.muted, type: [6, 3], width: 1 },
  }));
  if (now !== null)
    marks.push({
      xAxis: wall(now),
      label: { formatter: words.t("chart.now"), ...label(colours) },
      lineStyle: { color: colours.muted, type: "dotted", width: 1 },
    });
  const first = drawn[0];
  if (first) first.markLine = { symbol: "none", silent: true, animation: false, z: 2, data: marks };
  const axis = {
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { lineStyle: { color: colours.line } },
    axisLabel: { color: colours.muted, fontSize: 11, hideOverlap: true },
    splitLine: { lineStyle: { color: colours.line, opacity: 0.6 } },
  };
  const highest = Math.max(0, ...evidence.thresholds.map(({ value }) => value));
  return {
    useUTC: true,
    animation: false,
    textStyle: { fontFamily: FONTS, color: colours.ink },
    grid: { left: 4, right: named ? room(lines, words) : 14, top: 26, bottom: 2, containLabel: true },
    tooltip: {
      trigger: "axis",
      confine: true,
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.ink, fontSize: 12 },
      valueFormatter: (value: unknown) => (typeof value === "number" ? `${words.number(value)} ${evidence.unit}` : "—"),
      formatter: (given: unknown) => tooltip(given as TooltipLine[], evidence, lines, words),
    },
    xAxis: {
      type: "time",
      ...axis,
      splitLine: { show: false },
      min: extent ? wall(extent.from) : undefined,
      max: extent ? wall(extent.to) : undefined,
      axisLabel: {
        ...axis.axisLabel,
        formatter: { year: "{yyyy}-{MM}-{dd}", month: "{MM}-{dd}", day: "{MM}-{dd}", hour: "{HH}:{mm}" },
      },
    },
    yAxis: {
      type: "value",
      ...axis,
      axisLine: { show: false },
      name: evidence.unit,
      nameTextStyle: { color: colours.muted, fontSize: 11, align: "left" },
      // Thresholds above all readings must still be seen.
      max: ({ max }: { max: number }) => (highest * 1.05 > max ? roundUp(highest * 1.05) : null),
    },
    series: drawn,
  };
}

/** The points of a line; those that stand alone carry a mark of their own. */
const marked = (points: [number, number | null][], lone: boolean[]) =>
  points.map((point, at) => (lone[at] ? { value: point, symbol: "circle", symbolSize: 5 } : point));

const label = ({ muted }: Paint) => ({ color: muted, fontSize: 11 });

/** How much room names at the right edge need, in px. */
function room(lines: SeriesLine[], words: Words): number {
  const wide = (text: string) => [...text].reduce((sum, letter) => sum + (letter.charCodeAt(0) > 255 ? 11.5 : 6.2), 0);
  return 12 + Math.min(96, Math.max(...lines.map(({ name }) => wide(words.say(name)))));
}

/** 324 → 350, 81 → 85: up to the next half of the leading power of ten. */
function roundUp(value: number): number {
  const half = 10 ** Math.floor(Math.log10(value)) / 2;
  return Math.ceil(value / half) * half;
}

interface TooltipLine {
  seriesName: string;
  marker: string;
  value: [number, number | null];
}

function tooltip(given: TooltipLine[], evidence: SeriesEvidence, lines: SeriesLine[], words: Words): HTMLElement {
  const box = document.createElement("div");
  const at = given[0]?.value[0];
  if (at !== undefined) box.append(new Date(at).toISOString().slice(0, 16).replace("T", " "));
  const names = new Set(lines.map(({ name }) => words.say(name)));
  for (const { seriesName, value } of given) {
    if (!names.has(seriesName)) continue;
    const row = document.createElement("div");
    row.textContent = `${seriesName}  ${value[1] === null ? "—" : words.number(value[1])} ${evidence.unit}`;
    box.append(row);
  }
  return box;
}

export default function SeriesChart({
  evidence,
  extent = null,
  now = null,
  height = 220,
}: {
  evidence: SeriesEvidence;
  extent?: Extent | null;
  now?: number | null;
  height?: number | string;
}) {
  const words = useWords();
  const zone = useZone();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<echarts.ECharts | null>(null);

  useEffect(() => {
    if (box.current === null) return;
    const made = echarts.init(box.current, undefined, { renderer: "canvas" });
    chart.current = made;
    const watcher = new ResizeObserver(() => made.resize());
    watcher.observe(box.current);
    return () => {
      watcher.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the scheme decides what paint() reads from the page
  useEffect(() => {
    chart.current?.setOption(options(evidence, extent, now, zone, paint(), words), { notMerge: true });
  }, [evidence, extent, now, zone, words, scheme]);

  return <div ref={box} className="chart" style={{ height }} role="img" aria-label={words.say(evidence.title)} />;
}
