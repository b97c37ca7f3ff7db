/** How much of something went from where to where, stage by stage: a picture for eye and keyboard, and the same as a table. */

import { useMemo, useRef, useState } from "react";
import { Link as Anchor } from "wouter";
import { useWidth } from "../flow/useWidth";
import { DatasetName } from "../ui/DatasetName";
import { Empty } from "../ui/states";
import { Table } from "../ui/Table";
import { hrefOf } from "./links";
import { BOX, type Box, drawing, neighbour } from "./sankey";
import type { Flow } from "./types";
import { useDeclaredWords } from "./words";

const NARROW = 640;

export function FlowView({ content, label }: { content: Flow; label: string }) {
  const { d, say } = useDeclaredWords();
  const [box, width] = useWidth<HTMLDivElement>(960);
  if (content.links.length === 0) return <Empty title={d("flow.none")}>{d("flow.noneWhy")}</Empty>;
  return (
    <div className="declared-flow" ref={box}>
      {width >= NARROW && <Picture content={content} width={width} />}
      <details open={width < NARROW || undefined}>
        <summary>{d("flow.table")}</summary>
        <Ways content={content} label={label} />
      </details>
      {content.note && <p className="declared-note quiet">{say(content.note)}</p>}
    </div>
  );
}

function Picture({ content, width }: { content: Flow; width: number }) {
  const { d, say, number, t } = useDeclaredWords();
  const drawn = useMemo(() => drawing(content, width), [content, width]);
  const [kept, setKept] = useState<string | null>(null);
  const [pointed, setPointed] = useState<string | null>(null);
  const [reached, setReached] = useState<string | null>(null);
  const nodes = useRef(new Map<string, SVGGElement>());
  const titles = new Map(content.stages.map(({ id, title }) => [id, say(title)]));
  const chosen = pointed ?? kept;
  const touched = (id: string) =>
    chosen === null ||
    id === chosen ||
    content.links.some(({ from, to }) => (from === chosen && to === id) || (to === chosen && from === id));
  const told = (one: Box) =>
    d("flow.node", {
      label: say(one.node.label),
      stage: titles.get(one.node.stage) ?? one.node.stage,
      in: number(one.in),
      out: number(one.out),
      unit: content.unit,
    });
  const here = drawn.boxes.find(({ node }) => node.id === chosen);
  const first = reached ?? drawn.boxes[0]?.node.id;
  const href = here?.node.link ? hrefOf(here.node.link, here.node.link_id ?? here.node.id, () => here.node.id) : null;
  return (
    <>
      <svg
        className="declared-sankey"
        width={drawn.width}
        height={drawn.height}
        viewBox={`0 0 ${drawn.width} ${drawn.height}`}
        role="group"
        aria-label={d("flow.label", { n: content.nodes.length, m: content.links.length })}
        data-testid="flow-svg"
      >
        {drawn.columns.map(({ id, x }) => (
          <text key={id} className="stage" x={x} y={14}>
            {titles.get(id) ?? id}
          </text>
        ))}
        {drawn.bands.map(({ way, path, width: thick }, at) => (
          <path
            key={`${way.from} ${way.to} ${at}`}
            d={path}
            strokeWidth={thick}
            data-level={way.level ?? undefined}
            data-on={chosen === null ? undefined : way.from === chosen || way.to === chosen}
          />
        ))}
        {drawn.boxes.map((one) => {
          const id = one.node.id;
          const name = say(one.node.label);
          return (
            <g
              key={id}
              ref={(element) => {
                if (element) nodes.current.set(id, element);
                else nodes.current.delete(id);
              }}
              role="button"
              tabIndex={id === first ? 0 : -1}
              aria-pressed={kept === id}
              aria-label={told(one)}
              data-on={chosen === null ? undefined : touched(id)}
              onPointerEnter={() => setPointed(id)}
              onPointerLeave={() => setPointed(null)}
              onFocus={() => setReached(id)}
              onClick={() => setKept(kept === id ? null : id)}
              onKeyDown={(event) => {
                if (event.key === "Enter" || event.key === " ") {
                  event.preventDefault();
                  setKept(kept === id ? null : id);
                }
                const next = neighbour(drawn.boxes, id, event.key);
                if (next !== null) {
                  event.preventDefault();
                  nodes.current.get(next)?.focus();
                }
              }}
            >
              <rect x={one.x} y={one.y} width={BOX} height={one.height} rx={2} />
              <rect
                className="reach"
                x={one.x - 5}
                y={one.y - 6}
                width={BOX + 10}
                height={Math.max(24, one.height + 12)}
              />
              <text x={one.x + BOX + 5} y={one.y + one.height / 2 + 4}>
                {name.length > 14 ? `${name.slice(0, 13)}…` : name}
              </text>
              <text className="quantity" x={one.x + BOX + 5} y={one.y + one.height / 2 + 18}>
                {`${number(Math.max(one.in, one.out))} ${content.unit}`}
              </text>
            </g>
          );
        })}
      </svg>
      <p className="declared-told" role="status">
        {here ? told(here) : <span className="quiet">{d("flow.help")}</span>}
        {href && (
          <>
            {" "}
            <Anchor href={href}>{d("flow.open")}</Anchor>
          </>
        )}
        {here === undefined && kept !== null ? t("state.missing") : null}
      </p>
    </>
  );
}

function Ways({ content, label }: { content: Flow; label: string }) {
  const { d, say, number } = useDeclaredWords();
  const nodes = new Map(content.nodes.map((node) => [node.id, node]));
  const name = (id: string) => say(nodes.get(id)?.label ?? id);
  const link = (id: string) => {
    const node = nodes.get(id);
    const href = node?.link ? hrefOf(node.link, node.link_id ?? node.id, () => node.id) : null;
    return href ? <Anchor href={href}>{name(id)}</Anchor> : name(id);
  };
  return (
    <section className="declared-scroll" tabIndex={0} aria-label={`${label}: ${d("table.scroll")}`}>
      <Table data-testid="flow-table">
        <thead>
          <tr>
            <th>{d("flow.from")}</th>
            <th>{d("flow.to")}</th>
            <th className="right">
              {d("flow.amount")} ({content.unit})
            </th>
            <th className="right">
              {d("flow.error")} ({content.unit})
            </th>
            <th>{d("flow.source")}</th>
          </tr>
        </thead>
        <tbody>
          {content.links.map((way, at) => (
            <tr key={`${way.from} ${way.to} ${at}`}>
              <td>{link(way.from)}</td>
              <td>{link(way.to)}</td>
              <td className="right">{number(way.t)}</td>
              <td className="right">{way.error_t === null ? "—" : `± ${number(way.error_t)}`}</td>
              <td>{way.source ? <DatasetName name={way.source} /> : <span className="quiet">—</span>}</td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}
