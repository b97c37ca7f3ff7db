/** One value of a table: a number, a yes or no, a moment in the city's zone, a text in the reader's language. */

import type { Cell, Text } from "../api/types";
import { useWords } from "../i18n";
import { cityTime } from "../time/format";
import { useZone } from "./Time";

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const DAY = /^\d{4}-\d\d(-\d\d)?$/;

export function CellView({ cell }: { cell: Cell | Text }) {
  const { say, number, t } = useWords();
  const zone = useZone();
  if (cell === null || cell === undefined) return <span className="quiet">—</span>;
  if (typeof cell === "number") return number(cell, Number.isInteger(cell) ? 0 : undefined);
  if (typeof cell === "boolean") return t(cell ? "yes" : "no");
  if (typeof cell !== "string") return say(cell);
  if (MOMENT.test(cell)) return <time dateTime={cell}>{cityTime(cell, zone)}</time>;
  return DAY.test(cell) ? <span className="unbroken">{cell}</span> : cell;
}
