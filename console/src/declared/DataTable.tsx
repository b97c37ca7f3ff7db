/** A table of a declared page: sorted by its headers, searched when long, and only the rows in view are drawn. */

import { TextInput } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { Table as Stacked } from "../ui/Table";
import { useZone } from "../ui/Time";
import { unitWord } from "../ui/unit";
import { hrefOf, said, ValueView } from "./links";
import type { Column, Table, Value } from "./types";
import { useDeclaredWords } from "./words";

const LONG = 150; // rows from which on only those in view are drawn
const SEARCHED = 25; // rows from which on one may search
const PRINTED = 3_000; // more rows than anybody prints
const ROW = 32;

interface Order {
  at: number;
  down: boolean;
}

export function sorted(rows: readonly Value[][], order: Order | null, plain: (value: Value) => string): Value[][] {
  if (order === null) return [...rows];
  const sign = order.down ? -1 : 1;
  const missing = (value: Value) => value === null || value === undefined || value === "";
  return [...rows].sort((one, other) => {
    const a = one[order.at] ?? null;
    const b = other[order.at] ?? null;
    if (missing(a) || missing(b)) return missing(a) === missing(b) ? 0 : missing(a) ? 1 : -1; // what is missing comes last
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * plain(a).localeCompare(plain(b), undefined, { numeric: true });
  });
}

export function DataTable({ content, label }: { content: Table; label: string }) {
  const words = useDeclaredWords();
  const { d, say } = words;
  const zone = useZone();
  const [order, setOrder] = useState<Order | null>(null);
  const [sought, setSought] = useState("");
  const shown = useMemo(
    () => content.columns.map((column, at) => ({ column, at })).filter(({ column }) => !column.hidden),
    [content.columns],
  );
  const rows = useMemo(() => {
    const needle = sought.trim().toLowerCase();
    const found =
      needle === ""
        ? content.rows
        : content.rows.filter((row) =>
            shown.some(({ column, at }) =>
              said(row[at] ?? null, column, words, zone)
                .toLowerCase()
                .includes(needle),
            ),
          );
    return sorted(found, order, (value) => (typeof value === "object" ? say(value) : String(value)));
  }, [content.rows, sought, order, shown, words, zone, say]);
  return (
    <>
      {content.rows.length >= SEARCHED && (
        <div className="declared-find no-print">
          <TextInput
            size="xs"
            aria-label={`${label}: ${d("table.filter")}`}
            placeholder={d("table.filter")}
            value={sought}
            data-testid="table-find"
            onChange={(event) => setSought(event.currentTarget.value)}
          />
          <span className="quiet" role="status">
            {rows.length === content.rows.length
              ? d("table.rows", { n: rows.length })
              : d("table.filtered", { n: rows.length, total: content.rows.length })}
          </span>
        </div>
      )}
      {rows.length === 0 ? (
        <p className="declared-note quiet">{d("table.none")}</p>
      ) : (
        <Body columns={shown} all={content.columns} rows={rows} order={order} setOrder={setOrder} label={label} />
      )}
      {content.note && <p className="declared-note quiet">{say(content.note)}</p>}
    </>
  );
}

function Body({
  columns,
  all,
  rows,
  order,
  setOrder,
  label,
}: {
  columns: { column: Column; at: number }[];
  all: Column[];
  rows: Value[][];
  order: Order | null;
  setOrder: (order: Order | null) => void;
  label: string;
}) {
  const { d, say, language } = useDeclaredWords();
  const box = useRef<HTMLElement>(null);
  const printing = usePrinting();
  const long = rows.length > LONG && !printing;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 12,
    enabled: long,
  });
  const numeric = useMemo(
    () => new Set(columns.filter(({ column, at }) => isNumber(column, rows, at)).map(({ at }) => at)),
    [columns, rows],
  );
  const known = (columns.slice(0, 2).find(({ column }) => column.link) ?? columns[0])?.at; // what a row is known by
  const index = useMemo(() => new Map(all.map(({ name }, at) => [name, at])), [all]);
  const inView = long ? virtual.getVirtualItems() : null;
  const first = inView?.[0]?.start ?? 0;
  const rest = inView ? virtual.getTotalSize() - (inView.at(-1)?.end ?? 0) : 0;
  const drawn = inView ? inView.map(({ index: at }) => at) : rows.slice(0, PRINTED).map((_, at) => at);
  return (
    <section ref={box} className="declared-scroll" tabIndex={0} aria-label={`${label}: ${d("table.scroll")}`}>
      <Stacked aria-rowcount={rows.length + 1} data-testid="declared-table">
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ column, at }) => {
              const here = order?.at === at;
              const unit = column.unit && unitWord(column.unit, language);
              return (
                <th
                  key={column.name}
                  className={numeric.has(at) ? "right" : undefined}
                  data-cell={at === known ? "title" : column.kind === "level" ? "plain" : undefined}
                  data-label={unit ? `${say(column.title)} (${unit})` : say(column.title)}
                  aria-sort={here ? (order.down ? "descending" : "ascending") : undefined}
                >
                  <button
                    type="button"
                    className="plain declared-sort"
                    title={d("sort.by", { column: say(column.title) })}
                    onClick={() => setOrder(!here ? { at, down: false } : order.down ? null : { at, down: true })}
                  >
                    {say(column.title)}
                    {unit && <span className="quiet"> ({unit})</span>}
                    <span aria-hidden="true">{here ? (order.down ? " ▾" : " ▴") : ""}</span>
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {first > 0 && (
            <tr>
              <td colSpan={columns.length} className="long-gap" style={{ height: first }} />
            </tr>
          )}
          {drawn.map((at) => {
            const row = rows[at] ?? [];
            const value = (name: string) => row[index.get(name) ?? -1] ?? null;
            return (
              <tr key={at} aria-rowindex={at + 2} data-index={at} ref={long ? virtual.measureElement : undefined}>
                {columns.map(({ column, at: cell }) => {
                  const { link } = column;
                  const own = row[cell] ?? null;
                  const href = link ? hrefOf(link, link.column ? value(link.column) : own, value) : null;
                  return (
                    <td key={column.name} className={numeric.has(cell) ? "right" : undefined}>
                      <ValueView value={own} column={column} href={href} />
                    </td>
                  );
                })}
              </tr>
            );
          })}
          {rest > 0 && (
            <tr>
              <td colSpan={columns.length} className="long-gap" style={{ height: rest }} />
            </tr>
          )}
        </tbody>
      </Stacked>
    </section>
  );
}

const isNumber = ({ kind }: Column, rows: Value[][], at: number) =>
  kind === "number" ||
  kind === "share" ||
  (kind !== "level" && typeof rows.find((row) => row[at] !== null)?.[at] === "number");

/** Whether the page is being printed: then every row is there. */
function usePrinting(): boolean {
  const [printing, setPrinting] = useState(false);
  useEffect(() => {
    const begin = () => flushSync(() => setPrinting(true));
    const end = () => setPrinting(false);
    window.addEventListener("beforeprint", begin);
    window.addEventListener("afterprint", end);
    return () => {
      window.removeEventListener("beforeprint", begin);
      window.removeEventListener("afterprint", end);
    };
  }, []);
  return printing;
}
