/** The departments on both sides, the heart in the middle, a vein for each; its width and its moving marks are the rate. */

import { useComputedColorScheme } from "@mantine/core";
import { useReducedMotion, useViewportSize } from "@mantine/hooks";
import { useEffect, useMemo, useRef } from "react";
import { Link } from "wouter";
import {
  type Bezier,
  grouped,
  halves,
  type Line,
  marks,
  path,
  rim,
  sides,
  thickness,
  travelled,
  vein,
  worst,
} from "./layout";
import { StateIcon, troubled } from "./parts";
import type { FlowDepartment, FlowState, Over, Overview } from "./types";
import { useWidth } from "./useWidth";
import { type FlowWords, useFlowWords } from "./words";

const NARROW = 900;
const WALL = 2_400;
const TARGET = 24; // px that can be pointed at
const GAP = 10;
const FRAME_MS = 50;
const SPEED = 46; // px a second

interface Row {
  key: string;
  side: -1 | 1;
  top: number;
  /** From the left, px. */
  left: number;
  /** Where its vein bends towards the heart: the inner edge of the columns of its side. */
  bend: number;
  heading: string | null;
  department: FlowDepartment | null;
  name: string;
  state: FlowState;
  rate: number;
  text: string;
}

interface Vein {
  key: string;
  state: FlowState;
  rate: number;
  lead: number;
  curve: Bezier;
}

interface Scene {
  narrow: boolean;
  row: number;
  column: number;
  height: number;
  heart: { x: number; y: number; radius: number };
  rows: Row[];
  veins: Vein[];
}

/** `tall`: how high the window is, so that all rows are seen at once where they can still be read. */
function scene(overview: Overview, over: Over, width: number, tall: number, words: FlowWords): Scene {
  const groups = grouped(overview.departments);
  const narrow = width < NARROW;
  const lines = narrow ? [[], []] : sides(groups);
  const longest = Math.max(lines[0].length, lines[1].length, 1);
  const room = tall - (width >= WALL ? 170 : 340);
  // Where one column a side is higher than the window there are two, shifted by half a row: veins pass between names.
  const double = !narrow && longest > 8 && longest * TARGET > room && width >= 1_100;
  const row = narrow ? 40 : Math.round(Math.min(28, Math.max(TARGET, room / (double ? longest / 2 + 1 : longest))));
  const radius = narrow ? Math.min(62, Math.max(48, width * 0.19)) : width < 1_500 ? 80 : 112;
  const sideways = width / 2 - radius - (double ? 70 : 120);
  const column = narrow
    ? Math.min(220, Math.round(width * 0.58))
    : Math.round(Math.min(420, double ? (sideways - GAP) / 2 : Math.min(sideways, width * 0.3)));
  const text = (state: FlowState, rate: number, silent: number | null) =>
    state === "late" && silent !== null
      ? `${words.state(state)} ${words.length(silent)}`
      : state === "ok" || (rate > 0 && !troubled(state))
        ? words.rate(rate, true)
        : words.state(state);
  const rows: Row[] = [];
  const put = (entries: Line[], side: -1 | 1, left: number, bend: number, shift: number) => {
    for (const [at, { kind, department }] of entries.entries()) {
      const place = { side, top: at * row + shift, left, bend };
      if (department === null) {
        const heading = words.code("kind", kind);
        const key = `${side} ${left} ${kind}`;
        rows.push({ ...place, key, heading, department, name: heading, state: "none", rate: 0, text: "" });
      } else {
        const { state, rate, freshness_seconds: silent, title, code } = department;
        const name = words.say(title);
        const shown = text(state, rate[over], silent);
        rows.push({ ...place, key: code, heading: null, department, name, state, rate: rate[over], text: shown });
      }
    }
  };
  if (narrow)
    for (const [at, { kind, departments }] of groups.entries()) {
      const state = worst(departments.map((one) => one.state));
      const rate = departments.reduce((sum, one) => sum + one.rate[over], 0);
      const wrong = departments.filter((one) => troubled(one.state)).length;
      const name = words.f("kind.count", { kind: words.code("kind", kind), n: departments.length });
      const shown =
        wrong > 0 ? `${words.rate(rate, true)} · ${words.f("kind.wrong", { n: wrong })}` : text(state, rate, null);
      rows.push({
        key: kind,
        side: -1,
        top: at * row,
        left: 0,
        bend: column,
        heading: null,
        department: null,
        name,
        state,
        rate,
        text: shown,
      });
    }
  else
    for (const [at, side] of ([-1, 1] as const).entries()) {
      const [outer, inner] = double ? halves(lines[at] ?? []) : [lines[at] ?? [], []];
      const reach = column + (double ? column + GAP : 0);
      const bend = side === -1 ? reach : width - reach;
      put(outer, side, side === -1 ? 0 : width - column, bend, 0);
      put(inner, side, side === -1 ? column + GAP : width - reach, bend, row / 2);
    }
  const highest = rows.reduce((most, { top }) => Math.max(most, top + row), 0);
  const height = Math.max(highest, radius * 2 + 96);
  // a short side stands in the middle
  for (const side of [-1, 1] as const) {
    const own = rows.filter((one) => one.side === side);
    const size = own.reduce((most, { top }) => Math.max(most, top + row), 0);
    for (const one of own) one.top += Math.floor((height - size) / 2);
  }
  const heart = { x: narrow ? width - radius - 4 : Math.round(width / 2), y: Math.round(height / 2) - 20, radius };
  const veins: Vein[] = [];
  for (const side of [-1, 1] as const) {
    const own = rows.filter((one) => one.side === side && one.heading === null);
    own.sort((one, other) => one.top - other.top);
    for (const [n, { key, top, left, bend, state: word, rate, department }] of own.entries()) {
      // what several departments share flows as long as one of them does
      const state = department === null && rate > 0 ? "ok" : word;
      const [toX, toY] = rim(heart.x, heart.y, radius + 3, side, n, own.length);
      const lead = side === -1 ? left + column + 4 : left - 4;
      veins.push({ key, state, rate, lead, curve: vein(bend - side * 4, top + row / 2, toX, toY) });
    }
  }
  return { narrow, row, column, height, heart, rows, veins };
}

export function Picture({ overview, over }: { overview: Overview; over: Over }) {
  const words = useFlowWords();
  const [box, width] = useWidth<HTMLDivElement>(1_240);
  const { height: tall } = useViewportSize();
  const drawn = useMemo(() => scene(overview, over, width, tall, words), [overview, over, width, tall, words]);
  const { heart } = drawn;
  const { total } = overview;
  const of = over === "day" ? "day" : "hour";
  return (
    <section className="flow-picture" aria-label={words.f("picture.label")} data-testid="flow-picture">
      <div ref={box} className="flow-scene" data-narrow={drawn.narrow} style={{ height: drawn.height }}>
        <svg width={width} height={drawn.height} aria-hidden="true">
          {drawn.veins.map(({ key, state, rate, lead, curve }) => (
            <path
              key={key}
              d={path(curve, lead)}
              className="flow-vein"
              data-state={state}
              data-flows={rate > 0}
              strokeWidth={thickness(rate)}
            />
          ))}
          <circle cx={heart.x} cy={heart.y} r={heart.radius} className="flow-heart" />
          <path
            d={`M${heart.x} ${heart.y + heart.radius}v26`}
            className="flow-vein out"
            data-state="ok"
            strokeWidth={thickness(total.rate[over])}
          />
        </svg>
        <Marks drawn={drawn} width={width} />
        <dl
          className="flow-core numeric"
          style={{
            left: heart.x - heart.radius,
            top: heart.y - heart.radius,
            width: heart.radius * 2,
            height: heart.radius * 2,
          }}
        >
          <div>
            <dt>{words.f("heart.label")}</dt>
            <dd className="flow-core-rate">{words.rate(total.rate[over])}</dd>
            <dd className={total.quality !== null && total.quality < 0.95 ? "flow-poor" : "quiet"}>
              {words.f("table.quality")} {words.percent(total.quality)}
            </dd>
          </div>
        </dl>
        <p
          className="flow-out numeric"
          style={{
            left: heart.x - Math.max(heart.radius, 75),
            top: heart.y + heart.radius + 28,
            width: Math.max(heart.radius, 75) * 2,
          }}
        >
          <span>
            {words.f("heart.landed")} {words.number(total.rows[of], 0)}
          </span>
          <span className={total.bad[of] > 0 ? "flow-poor" : "quiet"}>
            {words.f("heart.refused")} {words.number(total.bad[of], 0)}
          </span>
        </p>
        <ul>
          {drawn.rows.map((one) => (
            <li
              key={one.key}
              data-side={one.side === -1 ? "left" : "right"}
              data-heading={one.heading !== null}
              data-state={one.state}
              style={{
                top: one.top,
                left: one.left,
                height: drawn.row,
                width: drawn.column,
                lineHeight: `${drawn.row}px`,
                fontSize: drawn.row >= 26 && width >= 1_800 ? 15 : 13,
              }}
            >
              <PictureRow row={one} narrow={drawn.narrow} word={words.state(one.state)} />
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function PictureRow({ row, narrow, word }: { row: Row; narrow: boolean; word: string }) {
  if (row.heading !== null) return <span className="flow-kind">{row.heading}</span>;
  const inside = (
    <>
      <StateIcon state={row.state} size={13} />
      <span className="flow-name">{row.name}</span>
      <span className="unseen">{word}</span>
      <span className={troubled(row.state) ? "flow-rate flow-poor numeric" : "flow-rate numeric"}>{row.text}</span>
    </>
  );
  if (narrow || row.department === null) return <span className="flow-row">{inside}</span>;
  return (
    <Link
      className="flow-row"
      href={`/flow/${encodeURIComponent(row.department.code)}`}
      title={`${row.name} · ${word}`}
      data-testid="flow-department"
      data-department={row.department.code}
    >
      {inside}
    </Link>
  );
}

/** The marks on the veins: they move where data flows, and stand still for whoever asks for less motion. */
function Marks({ drawn, width }: { drawn: Scene; width: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const still = useReducedMotion(undefined, { getInitialValueInEffect: false });
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  useEffect(() => {
    const element = canvas.current;
    const pen = element?.getContext("2d");
    if (!element || !pen) return;
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    element.width = Math.round(width * scale);
    element.height = Math.round(drawn.height * scale);
    const flowing = drawn.veins
      .filter(({ rate }) => rate > 0)
      .map(({ lead, curve, rate, state }) => ({
        lead,
        curve,
        trouble: troubled(state),
        count: marks(rate),
        size: thickness(rate) / 2 + 0.8,
        length: Math.abs(curve[0] - lead) + Math.hypot(curve[6] - curve[0], curve[7] - curve[1]),
      }));
    const style = getComputedStyle(document.documentElement);
    const colours = [style.getPropertyValue("--accent").trim(), style.getPropertyValue("--late").trim()];
    // the scheme is read, so that another one is drawn anew
    element.dataset.scheme = scheme;
    const draw = (at: number) => {
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      pen.clearRect(0, 0, width, drawn.height);
      for (const { lead, curve, trouble, count, size, length } of flowing) {
        pen.fillStyle = colours[trouble ? 1 : 0] ?? "";
        const moved = ((at / 1_000) * SPEED) / Math.max(length, 1);
        for (let n = 0; n < count; n++) {
          const [x, y] = travelled(lead, curve, (moved + n / count) % 1);
          pen.beginPath();
          pen.arc(x, y, size, 0, 2 * Math.PI);
          pen.fill();
        }
      }
    };
    if (still || flowing.length === 0) {
      draw(9_000);
      return;
    }
    let last = 0;
    let frame = requestAnimationFrame(function next(at) {
      if (at - last >= FRAME_MS) {
        last = at;
        draw(at);
      }
      frame = requestAnimationFrame(next);
    });
    return () => cancelAnimationFrame(frame);
  }, [drawn, width, still, scheme]);
  return <canvas ref={canvas} className="flow-marks" data-still={still} />;
}
