/** The ties of a subject as a picture: itself in the middle, one step around it, two steps further out. */

import { useLocation } from "wouter";
import { path, useCalled } from "./parts";
import type { ShortSubject, Ties } from "./types";
import { useSubjectWords } from "./words";

const WIDTH = 720;
const HEIGHT = 420;
const MOST = 40; // more cannot be told apart; the list has all

interface Placed {
  one: ShortSubject;
  x: number;
  y: number;
}

/** Where each subject is drawn: neighbours on an ellipse, theirs on a wider one near them. */
export function placed(middle: string, ties: Ties): Placed[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of ties.edges) {
    if (!next.has(from)) next.set(from, new Set());
    if (!next.has(to)) next.set(to, new Set());
    next.get(from)?.add(to);
    next.get(to)?.add(from);
  }
  const near = ties.nodes.filter(({ id }) => next.get(middle)?.has(id)).slice(0, MOST);
  const far = ties.nodes
    .filter(({ id }) => id !== middle && !near.some((one) => one.id === id))
    .slice(0, Math.max(0, MOST - near.length));
  const angle = new Map(near.map(({ id }, at) => [id, (2 * Math.PI * at) / near.length - Math.PI / 2]));
  const at = (turn: number, reach: number) => ({
    x: WIDTH / 2 + Math.cos(turn) * reach * (WIDTH / 2 - 70),
    y: HEIGHT / 2 + Math.sin(turn) * reach * (HEIGHT / 2 - 30),
  });
  const own = ties.nodes.find(({ id }) => id === middle);
  const around = near.map((one) => ({ one, ...at(angle.get(one.id) ?? 0, far.length > 0 ? 0.55 : 0.85) }));
  const counted = new Map<string, number>();
  const beyond = far.map((one) => {
    const by = [...(next.get(one.id) ?? [])].find((id) => angle.has(id)) ?? "";
    const nth = counted.get(by) ?? 0;
    counted.set(by, nth + 1);
    const spread = (nth % 2 === 0 ? 1 : -1) * Math.ceil(nth / 2) * 0.14;
    return { one, ...at((angle.get(by) ?? 0) + spread, 1) };
  });
  return own ? [{ one: own, x: WIDTH / 2, y: HEIGHT / 2 }, ...around, ...beyond] : [...around, ...beyond];
}

export function TiesPicture({ middle, ties }: { middle: string; ties: Ties }) {
  const { s, say } = useSubjectWords();
  const called = useCalled();
  const [, go] = useLocation();
  const nodes = placed(middle, ties);
  const where = new Map(nodes.map((node) => [node.one.id, node]));
  return (
    <svg
      className="ties-picture"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={s("ties.picture")}
      preserveAspectRatio="xMidYMid meet"
    >
      {ties.edges.map((edge) => {
        const a = where.get(edge.from);
        const b = where.get(edge.to);
        if (!a || !b) return null;
        return (
          <line key={`${edge.from} ${edge.to} ${edge.relation}`} x1={a.x} y1={a.y} x2={b.x} y2={b.y}>
            <title>{say(edge.title)}</title>
          </line>
        );
      })}
      {nodes.map(({ one, x, y }) => (
        // The list below has the same as links; the picture is for the mouse.
        // biome-ignore lint/a11y/noStaticElementInteractions: see above
        <g
          key={one.id}
          data-kind={one.kind}
          data-middle={one.id === middle || undefined}
          transform={`translate(${x} ${y})`}
          onClick={() => one.id !== middle && go(path(one.id))}
        >
          <title>{`${say(one.kind_title)} ${called(one)}`}</title>
          <circle r={one.id === middle ? 13 : 8} />
          <text y={one.id === middle ? 28 : 20} textAnchor="middle">
            {called(one).length > 9 ? `${called(one).slice(0, 8)}…` : called(one)}
          </text>
        </g>
      ))}
    </svg>
  );
}
