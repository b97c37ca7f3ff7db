/**
 * Conditions of steps: the closed language of the plans, read so that they can be said in words and, while they are
 * a plain list of "this and that", be put together from choices. The city itself checks and evaluates them.
 */

import type { Plain } from "./types";

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

/** One thing that must hold: a name compared with a value; a yes-or-no name is compared with true or false. */
export interface Row {
  name: string;
  compare: Comparison;
  value: Plain | Plain[];
}

export type Node =
  | { is: "row"; row: Row }
  | { is: "and" | "or"; parts: Node[] }
  | { is: "not"; part: Node }
  | { is: "always"; holds: boolean };

const TOKEN = /\s*(?:(-?\d+(?:\.\d+)?)|'([^']*)'|([A-Za-z_][A-Za-z0-9_]*)|(==|!=|<=|>=|<|>|\(|\)|\[|\]|,))/y;
const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">="]);
const TURNED: Record<string, Comparison> = { "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=" };

type Token = { kind: "value"; value: Plain } | { kind: "name"; text: string } | { kind: "sign"; text: string };

function tokens(source: string): Token[] | null {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  let at = 0;
  while (source.slice(at).trim() !== "") {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (match === null) return null;
    at = TOKEN.lastIndex;
    const [, number, text, word, sign] = match;
    if (number !== undefined) found.push({ kind: "value", value: Number(number) });
    else if (text !== undefined) found.push({ kind: "value", value: text });
    else if (word === "true" || word === "false") found.push({ kind: "value", value: word === "true" });
    else if (word === "and" || word === "or" || word === "not" || word === "in")
      found.push({ kind: "sign", text: word });
    else if (word !== undefined) found.push({ kind: "name", text: word });
    else found.push({ kind: "sign", text: sign ?? "" });
  }
  return found;
}

/** The condition as a tree, or null when it says more than names compared with values. */
export function parse(source: string): Node | null {
  const list = tokens(source);
  if (list === null || list.length === 0) return null;
  let at = 0;
  const sign = (text: string) => {
    const token = list[at];
    if (token?.kind !== "sign" || token.text !== text) return false;
    at += 1;
    return true;
  };
  const many = (is: "and" | "or", next: () => Node | null): Node | null => {
    const parts: Node[] = [];
    do {
      const part = next();
      if (part === null) return null;
      parts.push(part);
    } while (sign(is));
    return parts.length === 1 ? (parts[0] ?? null) : { is, parts };
  };
  const or = (): Node | null => many("or", and);
  const and = (): Node | null => many("and", not);
  const not = (): Node | null => {
    if (!sign("not")) return compared();
    const part = not();
    return part === null ? null : { is: "not", part };
  };
  const values = (): Plain[] | null => {
    const found: Plain[] = [];
    do {
      const token = list[at++];
      if (token?.kind !== "value") return null;
      found.push(token.value);
    } while (sign(","));
    return sign("]") ? found : null;
  };
  const compared = (): Node | null => {
    if (sign("(")) {
      const inner = or();
      return inner !== null && sign(")") ? inner : null;
    }
    const left = list[at++];
    if (left === undefined || (left.kind !== "name" && left.kind !== "value")) return null;
    const next = list[at];
    let compare: Comparison | null = null;
    if (next?.kind === "sign" && COMPARISONS.has(next.text)) {
      compare = next.text as Comparison;
      at += 1;
    } else if (sign("in")) compare = "in";
    else if (next?.kind === "sign" && next.text === "not") {
      at += 1;
      if (!sign("in")) return null;
      compare = "not in";
    }
    if (compare === null) {
      if (left.kind === "name") return { is: "row", row: { name: left.text, compare: "==", value: true } };
      return typeof left.value === "boolean" ? { is: "always", holds: left.value } : null;
    }
    if (compare === "in" || compare === "not in") {
      if (left.kind !== "name" || !sign("[")) return null;
      const value = values();
      return value === null ? null : { is: "row", row: { name: left.text, compare, value } };
    }
    const right = list[at++];
    if (right === undefined) return null;
    if (left.kind === "name" && right.kind === "value")
      return { is: "row", row: { name: left.text, compare, value: right.value } };
    if (left.kind === "value" && right.kind === "name")
      return { is: "row", row: { name: right.text, compare: TURNED[compare] ?? compare, value: left.value } };
    return null;
  };
  const tree = or();
  return at === list.length ? tree : null;
}

/** The rows of a condition that only joins them with "and"; null when it cannot be shown as rows. */
export function rowsOf(source: string | null | undefined): Row[] | null {
  if (source === null || source === undefined || source.trim() === "") return [];
  const tree = parse(source);
  const flat = (node: Node | null): Row[] | null => {
    if (node === null) return null;
    if (node.is === "row") return [node.row];
    if (node.is === "not")
      return node.part.is === "row" && node.part.row.compare === "==" && node.part.row.value === true
        ? [{ ...node.part.row, value: false }]
        : null;
    if (node.is !== "and") return null;
    const parts = node.parts.map(flat);
    return parts.some((part) => part === null) ? null : parts.flatMap((part) => part ?? []);
  };
  return flat(tree);
}

export const literal = (value: Plain | Plain[]): string =>
  Array.isArray(value)
    ? `[${value.map(literal).join(", ")}]`
    : typeof value === "string"
      ? `'${value.replaceAll("'", "")}'`
      : String(value);

/** The rows in the language of the plans; no rows is no condition. */
export const written = (rows: readonly Row[]): string | null =>
  rows.length === 0
    ? null
    : rows
        .map(({ name, compare, value }) =>
          compare === "==" && value === true
            ? name
            : compare === "==" && value === false
              ? `not ${name}`
              : `${name} ${compare} ${literal(value)}`,
        )
        .join(" and ");
