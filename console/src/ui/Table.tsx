/**
 * The table of lists. On a narrow screen (style.css) a row is a little list in which every cell says by the
 * head of its column what it is: nothing hides at the side, and no page says it twice.
 *
 * A head says how its column stacks: `data-cell="title"` is the line a row is known by, `data-cell="plain"` needs no
 * word before it (a state, a level, what can be done), `data-cell="pick"` is what the row is chosen with, beside its
 * title. Where no head is the title the first column is. Short cells stand beside one another.
 */

import type { ComponentPropsWithoutRef } from "react";
import { widthOf } from "./lines";

const SHOWS = "svg, img, input, button, select, canvas, progress, meter";
/** Cells that need no line of their own: word and value together so many Latin letters, half as many Chinese ones. */
const SHORT = 22;
const LONG = `${SHOWS}, div, p, ul, dl`;

/** Heads by the column they stand over; of heads in several lines the last. */
function heads(table: HTMLTableElement): HTMLTableCellElement[] {
  const found: HTMLTableCellElement[] = [];
  for (const line of table.tHead?.rows ?? []) {
    let column = 0;
    for (const head of line.cells) for (let span = 0; span < head.colSpan; span += 1) found[column++] = head;
  }
  return found;
}

function tell(cell: HTMLElement, name: string, value: string | undefined) {
  if (value) cell.setAttribute(name, value);
  else cell.removeAttribute(name);
}

function labelRow(row: HTMLTableRowElement, over: readonly HTMLTableCellElement[], named: boolean) {
  let column = 0;
  for (const cell of row.cells) {
    const head = over[column];
    const kind = head?.dataset.cell ?? (column === 0 && !named ? "title" : "");
    const alone = cell.colSpan === 1;
    const said = cell.textContent?.trim() ?? "";
    const word = (alone && kind === "" && (head?.dataset.label ?? head?.textContent?.trim())) || "";
    const short = alone && kind === "" && widthOf(`${word}${said}`) <= SHORT && !cell.querySelector(LONG);
    tell(cell, "data-cell", alone ? kind : "");
    tell(cell, "data-label", word);
    tell(cell, "data-short", short ? "true" : "");
    tell(cell, "data-nothing", alone && (said === "—" || (said === "" && !cell.querySelector(SHOWS))) ? "true" : "");
    column += cell.colSpan;
  }
}

function label(table: HTMLTableElement, rows: Iterable<HTMLTableRowElement>) {
  const over = heads(table);
  const named = over.some((head) => head.dataset.cell === "title");
  for (const row of rows) if (row.parentElement !== table.tHead) labelRow(row, over, named);
}

/** Keeps the cells of this table labelled while it is on the page: for `ref`. */
export function labelled(table: HTMLTableElement | null) {
  if (table === null) return;
  label(table, table.rows);
  const watch = new MutationObserver((changes) => {
    const touched = new Set<HTMLTableRowElement>();
    for (const { target } of changes) {
      const row = (target instanceof Element ? target : target.parentElement)?.closest("tr");
      if (!row || row.closest("table") !== table || row.parentElement === table.tHead) {
        label(table, table.rows);
        return;
      }
      touched.add(row);
    }
    label(table, touched);
  });
  watch.observe(table, { childList: true, characterData: true, subtree: true });
  return () => watch.disconnect();
}

export function Table({ className, ...props }: ComponentPropsWithoutRef<"table">) {
  return <table {...props} ref={labelled} className={className ? `table stacks ${className}` : "table stacks"} />;
}
