/** The words of the plan pages, in both languages. They are read only with these pages, so they stand here. */

import { useMemo } from "react";
import type { Language, Text } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { duration, isoSeconds } from "../time/format";
import { type Node, parse } from "./condition";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type PlanKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<PlanKey, string>> = { "zh-CN": zh, en };

export interface PlanWords extends Words {
  p(key: PlanKey, values?: Record<string, string | number>): string;
  /** A length of time in words: 3 小时. */
  length(iso: string | null | undefined): string;
  /** A condition in words; as it is written where it is too rich for that. */
  condition(source: string, names?: ReadonlyMap<string, string>): string;
}

export function usePlanWords(): PlanWords {
  const words = useWords();
  return useMemo(() => {
    const p: PlanWords["p"] = (key, values) => fill(DICTIONARIES[words.language][key], values);
    return {
      ...words,
      p,
      length: (iso) => {
        const seconds = isoSeconds(iso ?? null);
        return seconds === null ? (iso ?? "") : duration(seconds, words.language);
      },
      condition: (source, names) => {
        const tree = parse(source);
        return tree === null ? source : said(tree, p, words, names ?? new Map());
      },
    };
  }, [words]);
}

const LEVELS = ["severity.red", "severity.orange", "severity.yellow", "severity.blue"] as const;

/** 1 is the gravest level, so "at most 2" is orange and graver. */
function said(
  node: Node,
  p: PlanWords["p"],
  { t }: Pick<Words, "t">,
  names: ReadonlyMap<string, string>,
  inside = false,
): string {
  if (node.is === "always") return p(node.holds ? "when.always" : "when.never");
  if (node.is === "not" && node.part.is === "row" && node.part.row.value === true && node.part.row.compare === "==")
    return said({ is: "row", row: { ...node.part.row, value: false } }, p, { t }, names, inside);
  if (node.is === "not") return p("when.not", { what: said(node.part, p, { t }, names, true) });
  if (node.is !== "row") {
    const text = node.parts.map((part) => said(part, p, { t }, names, true)).join(p(`when.${node.is}`));
    return inside ? p("when.group", { what: text }) : text;
  }
  const { name, compare, value } = node.row;
  if (name === "level") {
    const level = (one: unknown) => {
      const key = typeof one === "number" ? LEVELS[one - 1] : undefined;
      return key ? t(key) : String(one);
    };
    if (Array.isArray(value))
      return p(compare === "in" ? "when.levelIs" : "when.levelIsNot", { level: value.map(level).join(t("listComma")) });
    const off = compare === "<" ? -1 : compare === ">" ? 1 : 0;
    const shown = level(typeof value === "number" ? value + off : value);
    if (compare === "==") return p("when.levelIs", { level: shown });
    if (compare === "!=") return p("when.levelIsNot", { level: shown });
    return p(compare === "<" || compare === "<=" ? "when.levelUp" : "when.levelDown", { level: shown });
  }
  const what = names.get(name) ?? (name === "kind" ? p("when.kind") : name);
  if (value === true && compare === "==") return p("when.yes", { what });
  if (value === false && compare === "==") return p("when.no", { what });
  const shown = (Array.isArray(value) ? value : [value]).map((one) => names.get(String(one)) ?? String(one));
  return p(`compare.${compare}`, { what, value: shown.join(t("listComma")) });
}

/** Texts that have one language only are still shown. */
export const titled = (title: Text | undefined | null, id: string): Text => title ?? { "zh-CN": id, en: id };
