/** Words of the field page and of work on tasks; and why the city said no, in the reader's language. */

import { useMemo } from "react";
import type { Language, Text } from "../api/types";
import { fill, type Key, useWords, type Words } from "../i18n";
import { cityTime } from "../time/format";
import type { Refusal } from "./types";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type FieldKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<FieldKey, string>> = { "zh-CN": zh, en };

export interface FieldWords extends Words {
  f(key: FieldKey, values?: Record<string, string | number>): string;
}

export function useFieldWords(): FieldWords {
  const words = useWords();
  return useMemo(() => ({ ...words, f: (key, values) => fill(DICTIONARIES[words.language][key], values) }), [words]);
}

const STATES = [
  "scheduled",
  "dispatched",
  "accepted",
  "submitted",
  "verified",
  "closed",
  "returned",
  "suspended",
  "cancelled",
];
const EVIDENCE = ["photo", "note", "form", "place"];

/** Why it was refused, and what to do, in words; what has no words of its own is told as the city told it. */
export function because(
  refusal: Refusal,
  verb: string,
  zone: string,
  { f, t, say }: FieldWords,
): { why: string; remedy: string | null } {
  const { status, code, detail, remedy, more } = refusal;
  const by = more.by as { name?: Text | string; id?: string } | undefined;
  const at = typeof more.at === "string" ? more.at : null;
  const next = typeof more.next === "string" ? f("remedy.next") : null;
  if (status === 409 && by && at !== null) {
    const told = { name: say(by.name) || by.id || "", time: cityTime(at, zone, "short") };
    const kind = verb === "submit" ? "submitted" : "accepted";
    return { why: f(`why.${kind}`, told), remedy: next ?? f(`remedy.${kind}`) };
  }
  if (status === 409 && typeof more.evidence === "string" && EVIDENCE.includes(more.evidence))
    return { why: f("why.evidence", { what: t(`evidence.${more.evidence}` as Key) }), remedy: null };
  if (status === 409 && typeof more.state === "string" && STATES.includes(more.state)) {
    const told = { state: t(`task.${more.state}` as Key), verb: t(`act.${verb}` as Key) };
    return { why: f("why.state", told), remedy: next };
  }
  if (status === 422 && Array.isArray(more.fields))
    return { why: f("why.form", { n: more.fields.length }), remedy: null };
  if (status === 403) return { why: f("why.forbidden"), remedy: null };
  if (status === 404) return { why: f("why.gone"), remedy: null };
  if (code === "photo-lost") return { why: f("why.lost"), remedy: null };
  return { why: detail, remedy };
}
