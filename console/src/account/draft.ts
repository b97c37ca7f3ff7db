/** A formula while it is being written: numbers are what stands in the fields until it is made of them. */

import { daysOf } from "./lengths";
import { type Formula, LESS_IS_BETTER, type Term } from "./types";

export interface DraftDeduction {
  key: number;
  rate: string;
  points: string;
  /** Per cent; empty: every counted task costs. */
  bound: string;
}

export interface DraftTerm {
  key: number;
  rate: string;
  weight: string;
  /** null: weight × rate, or × (1 − rate). */
  deductions: DraftDeduction[] | null;
}

export interface Draft {
  id: string;
  version: string;
  validFrom: string;
  days: string;
  of: Formula["of"];
  titleZh: string;
  titleEn: string;
  sourceZh: string;
  sourceEn: string;
  terms: DraftTerm[];
}

/** A share as per cent without the noise of binary fractions: 0.07 × 100 is 7. */
const percent = (share: number) => String(Math.round(share * 1e6) / 1e4);

/** A draft that begins where another formula ends: the next free version of it, from `validFrom` on. */
export function draftOf(like: Formula, taken: readonly Pick<Formula, "id" | "version">[], validFrom: string): Draft {
  const versions = new Set(taken.filter(({ id }) => id === like.id).map(({ version }) => version));
  let number = 2;
  while (versions.has(String(number))) number += 1;
  return {
    id: like.id,
    version: String(number),
    validFrom,
    days: String(daysOf(like.appeal_within) ?? 10),
    of: like.of,
    titleZh: like.title["zh-CN"] ?? "",
    titleEn: like.title.en ?? "",
    sourceZh: like.source["zh-CN"] ?? "",
    sourceEn: like.source.en ?? "",
    terms: like.terms.map((term, key) => ({
      key,
      rate: term.rate,
      weight: String(term.weight),
      deductions:
        term.deductions.length === 0
          ? null
          : term.deductions.map((one, place) => ({
              key: place,
              rate: one.rate,
              points: String(one.points),
              bound: one.bound === null ? "" : percent(one.bound),
            })),
    })),
  };
}

const numberOf = (text: string) => (text.trim() === "" || !Number.isFinite(Number(text)) ? 0 : Number(text));

/** As the city takes it. Which way is better follows from the rate. */
export function formulaOf(draft: Draft) {
  const terms: Term[] = draft.terms.map((term) => ({
    rate: term.rate,
    weight: numberOf(term.weight),
    less_is_better: term.deductions === null && LESS_IS_BETTER.has(term.rate),
    deductions: (term.deductions ?? []).map(({ rate, points, bound }) => ({
      rate,
      points: numberOf(points),
      bound: bound.trim() === "" ? null : numberOf(bound) / 100,
    })),
  }));
  return {
    id: draft.id.trim(),
    version: draft.version.trim(),
    valid_from: draft.validFrom,
    of: draft.of,
    appeal_within: `P${draft.days.trim()}D`,
    title: { "zh-CN": draft.titleZh.trim(), en: draft.titleEn.trim() },
    source: { "zh-CN": draft.sourceZh.trim(), en: draft.sourceEn.trim() },
    terms,
  };
}

export type Lack = "id" | "version" | "date" | "days" | "words" | "terms";

/** What is still missing before it can be published; the city checks again. */
export function missing(draft: Draft, today: string): Lack[] {
  const found: Lack[] = [];
  if (draft.id.trim() === "") found.push("id");
  if (draft.version.trim() === "") found.push("version");
  if (!(draft.validFrom > today)) found.push("date");
  if (!/^\s*[1-9]\d*\s*$/.test(draft.days)) found.push("days");
  if ([draft.titleZh, draft.titleEn, draft.sourceZh, draft.sourceEn].some((text) => text.trim() === ""))
    found.push("words");
  const { terms } = formulaOf(draft);
  if (
    terms.length === 0 ||
    terms.some(({ weight, deductions }) => !(weight > 0) || deductions.some((one) => !(one.points > 0)))
  )
    found.push("terms");
  return found;
}
