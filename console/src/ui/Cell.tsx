/** One value of a table: a number, a yes or no, a moment in the city's zone, a text in the reader's language, or its label. */

import type { Cell, Text } from "../api/types";
import { useWords } from "../i18n";
import { cityTime } from "../time/format";
import { useZone } from "./Time";

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const DAY = /^\d{4}-\d\d(-\d\d)?$/;

/** Values of a column as people read them, by their spelling. */
export type Labels = Readonly<Record<string, Text>>;

export const labelOf = (value: unknown, labels: Labels | undefined): Text | undefined =>
  labels !== undefined && Object.hasOwn(labels, String(value)) ? labels[String(value)] : undefined;

export function CellView({ cell, labels }: { cell: Cell | Text; labels?: Labels }) {
  const { say, number, t } = useWords();
  const zone = useZone();
  if (cell === null || cell === undefined) return <span className="quiet">—</span>;
  const label = labelOf(cell, labels);
  if (label) return <span title={String(cell)}>{say(label)}</span>;
  if (typeof cell === "number") return number(cell, Number.isInteger(cell) ? 0 : undefined);
  if (typeof cell === "boolean") return t(cell ? "yes" : "no");
  if (typeof cell !== "string") return say(cell);
  if (MOMENT.test(cell)) return <time dateTime={cell}>{cityTime(cell, zone)}</time>;
  return DAY.test(cell) ? <span className="unbroken">{cell}</span> : cell;
}
