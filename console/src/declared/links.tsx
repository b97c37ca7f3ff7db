/** A value of a declared page: shown by its kind, and leading where the application says it leads. */

import { Link as Anchor } from "wouter";
import type { Iso, Level } from "../api/types";
import { cityTime } from "../time/format";
import { Severity } from "../ui/Severity";
import { useZone } from "../ui/Time";
import type { Column, Link, Value } from "./types";
import { type DeclaredWords, useDeclaredWords } from "./words";

const PLACES: Partial<Record<Link["to"], string>> = {
  alert: "/alerts/",
  incident: "/incidents/",
  task: "/tasks/",
  source: "/sources/",
  dataset: "/catalogue/",
  department: "/flow/",
};

/** Where a link leads for an id, and for a page with these values; null where there is nothing to lead to. */
export function hrefOf(link: Link, id: Value, values: (column: string) => Value): string | null {
  if (link.to === "page") {
    const set = Object.entries(link.set ?? {}).map(([name, column]) => [name, values(column)] as const);
    if (set.some(([, value]) => value === null || value === undefined)) return null;
    const search = new URLSearchParams(set.map(([name, value]) => [name, String(value)]));
    return `/app/${encodeURIComponent(link.page ?? "")}${set.length > 0 ? `?${search}` : ""}`;
  }
  if (id === null || id === undefined || id === "" || typeof id === "object") return null;
  const code = encodeURIComponent(String(id));
  if (link.to === "subject")
    // encoded twice: an encoded slash would be taken for the end of the number
    return `/app/subject-of/${link.by ?? ""}=${encodeURIComponent(code)}`;
  return `${PLACES[link.to] ?? "/"}${code}`;
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const DAY = /^\d{4}-\d\d(-\d\d)?$/;

/** A value as words, e.g. for sorting by what is read and for printing beside a picture. */
export function said(
  value: Value,
  column: Pick<Column, "kind" | "digits">,
  words: DeclaredWords,
  zone: string,
): string {
  if (value === null || value === undefined || value === "") return "—";
  if (typeof value === "number") {
    if (column.kind === "share") return `${words.number(value * 100, column.digits ?? 1)} %`;
    return words.number(value, column.digits ?? (Number.isInteger(value) ? 0 : undefined));
  }
  if (typeof value === "boolean") return words.t(value ? "yes" : "no");
  if (typeof value === "object") return words.say(value);
  if (MOMENT.test(value)) return cityTime(value as Iso, zone, column.kind === "day" ? "date" : "minute");
  return value;
}

export function ValueView({ value, column, href }: { value: Value; column: Column; href?: string | null }) {
  const words = useDeclaredWords();
  const zone = useZone();
  if (value === null || value === undefined || value === "") return <span className="quiet">—</span>;
  const inside =
    column.kind === "level" && typeof value === "number" && value >= 1 && value <= 4 ? (
      <Severity level={value as Level} size={16} />
    ) : typeof value === "string" && MOMENT.test(value) ? (
      <time dateTime={value}>{said(value, column, words, zone)}</time>
    ) : typeof value === "string" && DAY.test(value) ? (
      <span className="unbroken">{value}</span>
    ) : (
      said(value, column, words, zone)
    );
  return href ? <Anchor href={href}>{inside}</Anchor> : inside;
}
