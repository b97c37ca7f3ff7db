/** The picture of the flow as numbers: who stands where, which way each vein runs, how thick it is. */

import type { FlowDepartment, FlowState } from "./types";

export const WORST_FIRST: readonly FlowState[] = ["failing", "refused", "late", "ok", "idle", "none"];
export const urgency = (state: FlowState) => WORST_FIRST.indexOf(state);
export const worst = (states: Iterable<FlowState>): FlowState =>
  [...states].reduce((one, other) => (urgency(other) < urgency(one) ? other : one), "none" as FlowState);

/** Kinds of departments in the order in which they are drawn; what is not named comes after, by name. */
const KINDS = ["party", "other", "line", "office", "bureau", "government", "service", "district"];

export interface Group {
  kind: string;
  departments: FlowDepartment[];
}

export function grouped(departments: readonly FlowDepartment[]): Group[] {
  const found = new Map<string, FlowDepartment[]>();
  for (const one of departments) found.set(one.kind, [...(found.get(one.kind) ?? []), one]);
  const place = (kind: string) => (KINDS.indexOf(kind) + KINDS.length + 1) % (KINDS.length + 1);
  return [...found]
    .map(([kind, members]) => ({ kind, departments: members }))
    .sort((one, other) => place(one.kind) - place(other.kind) || one.kind.localeCompare(other.kind));
}

export type Line = { kind: string; department: null } | { kind: string; department: FlowDepartment };

const lines = (group: Group): Line[] => [
  { kind: group.kind, department: null },
  ...group.departments.map((department) => ({ kind: group.kind, department })),
];

/** Groups on two sides: whole ones where the sides come out even, else cut in the middle with the heading repeated. */
export function sides(groups: readonly Group[]): [Line[], Line[]] {
  const sizes = groups.map(({ departments }) => departments.length + 1);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  let best: { left: boolean[]; taller: number } | null = null;
  for (let choice = 0; choice < 2 ** Math.min(groups.length, 12); choice++) {
    const left = groups.map((_, index) => (choice & (1 << index)) !== 0);
    const height = sizes.reduce((sum, size, index) => sum + (left[index] ? size : 0), 0);
    const taller = Math.max(height, all - height);
    if (best === null || taller < best.taller) best = { left, taller };
  }
  if (best !== null && best.taller <= all * 0.6) {
    const first = best.left[0];
    const on = (side: boolean) => groups.filter((_, index) => best.left[index] === side).flatMap(lines);
    return [on(first ?? true), on(!(first ?? true))];
  }
  return halves(groups.flatMap(lines));
}

/** Lines cut in the middle: a heading never stands last, and what goes on says again what it belongs to. */
export function halves(all: readonly Line[]): [Line[], Line[]] {
  const first = all.slice(0, Math.ceil(all.length / 2));
  const second = all.slice(first.length);
  const last = first.at(-1);
  if (last !== undefined && last.department === null && second.length > 0) second.unshift(...first.splice(-1));
  const next = second[0];
  if (next !== undefined && next.department !== null) second.unshift({ kind: next.kind, department: null });
  return [first, second];
}

/** How thick a vein is, in px, by rows a second: a row a day is seen, and 20,000 a second do not drown the others. */
export const thickness = (rate: number) => (rate <= 0 ? 1 : 1.2 + Math.min(6, 1.25 * Math.log10(1 + rate * 600)));

/** How many marks move on it at once. */
export const marks = (rate: number) => (rate <= 0 ? 0 : Math.max(1, Math.round(thickness(rate) / 1.4)));

export type Bezier = readonly [number, number, number, number, number, number, number, number];

/** From the end of a row at (x, y) to its place on the rim of the heart. */
export function vein(x: number, y: number, toX: number, toY: number): Bezier {
  const reach = toX - x;
  return [x, y, x + reach * 0.45, y, toX - reach * 0.5, toY, toX, toY];
}

/** A vein as drawn; `lead` is where it begins, level, before it bends. */
export const path = ([x, y, ax, ay, bx, by, toX, toY]: Bezier, lead = x) =>
  `M${lead} ${y}H${x}C${ax} ${ay} ${bx} ${by} ${toX} ${toY}`;

export function along([x, y, ax, ay, bx, by, toX, toY]: Bezier, part: number): [number, number] {
  const left = 1 - part;
  const [a, b, c, d] = [left ** 3, 3 * left * left * part, 3 * left * part * part, part ** 3];
  return [a * x + b * ax + c * bx + d * toX, a * y + b * ay + c * by + d * toY];
}

/** Where the n-th of `count` veins enters a heart at (x, y) with this radius; `side` −1 left, 1 right. */
export function rim(x: number, y: number, radius: number, side: -1 | 1, n: number, count: number): [number, number] {
  const angle = (count < 2 ? 0 : n / (count - 1) - 0.5) * 2.1;
  return [x + side * radius * Math.cos(angle), y + radius * Math.sin(angle)];
}

/** Where a mark stands that has gone this part of a vein with its level beginning. */
export function travelled(lead: number, curve: Bezier, part: number): [number, number] {
  const level = Math.abs(curve[0] - lead);
  const bent = Math.hypot(curve[6] - curve[0], curve[7] - curve[1]);
  const gone = part * (level + bent);
  if (gone < level) return [lead + Math.sign(curve[0] - lead) * gone, curve[1]];
  return along(curve, bent === 0 ? 1 : (gone - level) / bent);
}
