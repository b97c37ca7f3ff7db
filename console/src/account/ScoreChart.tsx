/** Bars of the departments' scores, a stroke where each was in the period before; the table beside has the numbers. */

import { useComputedColorScheme } from "@mantine/core";
import { BarChart, CustomChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import { FONTS } from "../ui/theme";
import { type DepartmentScore, RANKED } from "./types";
import { type AccountWords, useAccountWords } from "./words";

echarts.use([BarChart, CustomChart, GridComponent, TooltipComponent, CanvasRenderer]);

const ROW = 24;

function options(
  rows: DepartmentScore[],
  was: Map<string, number>,
  most: number,
  narrow: boolean,
  words: AccountWords,
): echarts.EChartsCoreOption {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const { a, say, number } = words;
  const names = rows.map(({ title }) => say(title));
  return {
    animation: false,
    textStyle: { fontFamily: FONTS, color: colour("ink") },
    grid: { left: 4, right: 48, top: 4, bottom: 4, containLabel: true },
    tooltip: {
      trigger: "axis",
      confine: true,
      axisPointer: { type: "shadow" },
      backgroundColor: colour("surface"),
      borderColor: colour("line"),
      textStyle: { color: colour("ink"), fontSize: 12 },
      formatter: (given: unknown) => {
        const row = rows[(given as { dataIndex: number }[])[0]?.dataIndex ?? -1];
        const box = document.createElement("div");
        if (row === undefined) return box;
        const old = was.get(row.department);
        const lines = [
          say(row.title),
          `${a("chart.now")} ${number(row.score, 1)}`,
          ...(old === undefined ? [] : [`${a("chart.before")} ${number(old, 1)}`]),
          `${a("n")} ${row.n}`,
        ];
        for (const line of lines) box.append(Object.assign(document.createElement("div"), { textContent: line }));
        return box;
      },
    },
    xAxis: {
      type: "value",
      min: 0,
      max: most,
      axisLabel: { color: colour("muted"), fontSize: 11 },
      splitLine: { lineStyle: { color: colour("line"), opacity: 0.6 } },
    },
    yAxis: {
      type: "category",
      inverse: true,
      data: names,
      axisLine: { lineStyle: { color: colour("line") } },
      axisTick: { show: false },
      axisLabel: { color: colour("ink"), fontSize: 12, width: narrow ? 110 : 260, overflow: "truncate", interval: 0 },
    },
    series: [
      {
        type: "bar",
        barWidth: 12,
        data: rows.map((row) => ({
          value: row.score,
          itemStyle: { color: colour(row.n < RANKED ? "bar-soft" : "bar") },
        })),
        label: {
          show: true,
          position: "right",
          color: colour("muted"),
          fontSize: 11,
          formatter: ({ value }: { value: number | null }) => number(value, 1),
        },
      },
      {
        type: "custom",
        z: 5,
        silent: true,
        data: rows.flatMap((row, index) => {
          const old = was.get(row.department);
          return old === undefined ? [] : [[old, index]];
        }),
        renderItem: (
          _: unknown,
          api: { value(dimension: number): number; coord(point: [number, number]): [number, number] },
        ) => {
          const [x, y] = api.coord([api.value(0), api.value(1)]);
          return {
            type: "rect",
            shape: { x: x - 1, y: y - 9, width: 2, height: 18 },
            style: { fill: colour("accent") },
          };
        },
      },
    ],
  };
}

export default function ScoreChart({
  most,
  departments,
  before,
}: {
  most: number;
  departments: DepartmentScore[];
  before: DepartmentScore[];
}) {
  const words = useAccountWords();
  const { a } = words;
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<echarts.ECharts | null>(null);
  const rows = departments.filter(({ score }) => score !== null);
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
  // biome-ignore lint/correctness/useExhaustiveDependencies: the scheme decides what colours are read from the page
  useEffect(() => {
    const was = new Map(
      before.flatMap((one) => (one.score === null ? [] : [[one.department, one.score] as [string, number]])),
    );
    const shown = departments.filter(({ score }) => score !== null);
    chart.current?.setOption(options(shown, was, most, (box.current?.clientWidth ?? 800) < 600, words), {
      notMerge: true,
    });
    chart.current?.resize();
  }, [most, departments, before, words, scheme]);
  return (
    <>
      <ul className="legend">
        <li>
          <span className="key bar" /> {a("chart.now")}
        </li>
        <li>
          <span className="key soft" /> {a("chart.few")}
        </li>
        <li>
          <span className="key stroke" /> {a("chart.before")}
        </li>
      </ul>
      <div
        ref={box}
        className="chart"
        style={{ height: rows.length * ROW + 36 }}
        role="img"
        aria-label={a("chart.label")}
      />
    </>
  );
}
