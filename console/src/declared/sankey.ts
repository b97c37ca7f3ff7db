/** The picture of a flow as numbers: columns by stage, heights by amount, ways as bands between them. */

import type { Flow, FlowNode, FlowWay } from "./types";

export interface Box {
  node: FlowNode;
  column: number;
  x: number;
  y: number;
  height: number;
  in: number;
  out: number;
}

export interface Band {
  way: FlowWay;
  path: string;
  width: number;
}

export interface Drawing {
  columns: { id: string; x: number }[];
  boxes: Box[];
  bands: Band[];
  width: number;
  height: number;
}

export const BOX = 14; // width of a node, px
const GAP = 26; // between nodes of a column: their names stand there
const LEAST = 3; // height of the smallest node, px
const TOP = 28;
const SIDE = 8;

/** Stages in their order; those that only nodes name come after, in the order in which they are met. */
export function stagesOf({ stages, nodes }: Pick<Flow, "stages" | "nodes">): string[] {
  const used = new Set(nodes.map(({ stage }) => stage));
  const known = stages.map(({ id }) => id).filter((id) => used.has(id));
  return [...known, ...[...used].filter((id) => !known.includes(id))];
}

/** Where everything stands in `width` px. Nodes of a column are in the order of where their ways come from. */
export function drawing(flow: Flow, width: number): Drawing {
  const order = stagesOf(flow);
  const step = order.length > 1 ? (width - SIDE * 2 - BOX - 190) / (order.length - 1) : 0;
  const columns = order.map((id, at) => ({ id, x: SIDE + at * step }));
  const amount = (way: FlowWay) => Math.max(0, way.t ?? 0);
  const sums = new Map(flow.nodes.map((node) => [node.id, { in: 0, out: 0 }]));
  for (const way of flow.links) {
    const from = sums.get(way.from);
    const to = sums.get(way.to);
    if (from) from.out += amount(way);
    if (to) to.in += amount(way);
  }
  const weight = (node: FlowNode) => Math.max(sums.get(node.id)?.in ?? 0, sums.get(node.id)?.out ?? 0, node.value ?? 0);
  const members = order.map((id) => flow.nodes.filter(({ stage }) => stage === id));
  const tallest = Math.max(...members.map((some) => some.length), 1);
  const room = Math.max(220, Math.min(420, tallest * 40));
  const largest = Math.max(...members.map((some) => some.reduce((sum, one) => sum + weight(one), 0)), 1e-9);
  const scale = room / largest;
  const place = new Map<string, number>();
  const boxes: Box[] = [];
  for (const [column, some] of members.entries()) {
    const from = (node: FlowNode) => {
      const before = flow.links.filter(({ to, from: origin }) => to === node.id && place.has(origin));
      const all = before.reduce((sum, way) => sum + amount(way), 0);
      return all > 0 ? before.reduce((sum, way) => sum + (place.get(way.from) ?? 0) * amount(way), 0) / all : 1e9;
    };
    const ranked = [...some].sort((one, other) => from(one) - from(other) || weight(other) - weight(one));
    let y = TOP;
    for (const node of ranked) {
      const height = Math.max(LEAST, weight(node) * scale);
      place.set(node.id, y + height / 2);
      const sum = sums.get(node.id);
      boxes.push({ node, column, x: columns[column]?.x ?? 0, y, height, in: sum?.in ?? 0, out: sum?.out ?? 0 });
      y += height + GAP;
    }
  }
  const at = new Map(boxes.map((box) => [box.node.id, box]));
  const left = new Map<string, number>();
  const entered = new Map<string, number>();
  const bands: Band[] = [];
  const by = (way: FlowWay) => (at.get(way.to)?.y ?? 0) + (at.get(way.from)?.y ?? 0) / 1e4;
  for (const way of [...flow.links].sort((one, other) => by(one) - by(other))) {
    const a = at.get(way.from);
    const b = at.get(way.to);
    if (!a || !b) continue;
    const thick = Math.max(1, amount(way) * scale);
    const y0 = a.y + (left.get(way.from) ?? 0) + thick / 2;
    const y1 = b.y + (entered.get(way.to) ?? 0) + thick / 2;
    left.set(way.from, (left.get(way.from) ?? 0) + thick);
    entered.set(way.to, (entered.get(way.to) ?? 0) + thick);
    const x0 = a.x + BOX;
    const x1 = b.x;
    // a way back, or within a stage, bows out so that it can be told from those that go on
    const bend = b.column > a.column ? (x1 - x0) / 2 : 40 + thick;
    const path = `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`;
    bands.push({ way, path, width: thick });
  }
  const height = Math.max(...boxes.map(({ y, height: tall }) => y + tall), TOP) + 20;
  return { columns, boxes, bands, width, height };
}

/** The node that an arrow key leads to. */
export function neighbour(boxes: readonly Box[], from: string, key: string): string | null {
  const here = boxes.find(({ node }) => node.id === from);
  if (!here) return boxes[0]?.node.id ?? null;
  const same = boxes.filter(({ column }) => column === here.column);
  const at = same.indexOf(here);
  if (key === "ArrowDown") return same[at + 1]?.node.id ?? null;
  if (key === "ArrowUp") return same[at - 1]?.node.id ?? null;
  const side = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  if (side === 0) return null;
  const column = boxes
    .map((box) => box.column)
    .filter((one) => (one - here.column) * side > 0)
    .sort((one, other) => Math.abs(one - here.column) - Math.abs(other - here.column))[0];
  const near = boxes
    .filter((box) => box.column === column)
    .sort((one, other) => Math.abs(one.y - here.y) - Math.abs(other.y - here.y))[0];
  return near?.node.id ?? null;
}
