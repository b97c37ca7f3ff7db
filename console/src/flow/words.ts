/** The words of the pages of the flow, in both languages. They are read only with these pages, so they stand here. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { sizeWords } from "../hand/size";
import { fill, useWords, type Words } from "../i18n";
import { duration } from "../time/format";
import type { FlowState } from "./types";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type FlowKey = keyof typeof zh;
export const DICTIONARIES: Record<Language, Record<FlowKey, string>> = { "zh-CN": zh, en };

export interface FlowWords extends Words {
  f(key: FlowKey, values?: Record<string, string | number>): string;
  /** The word for a code of a family (`kind`, `step`, `class`, `listener`); the code itself when there is none. */
  code(family: string, code: string): string;
  state(state: FlowState): string;
  /** Rows a second in the unit in which it can be read: 12 rows/s, 3 rows/h. */
  rate(perSecond: number, short?: boolean): string;
  percent(share: number | null): string;
  bytes(count: number): string;
  length(seconds: number | null): string;
}

const known = (key: string): key is FlowKey => key in zh;

/** The largest unit in which a rate is at least one, else rows a day. */
export function unitOf(perSecond: number): ["second" | "minute" | "hour" | "day", number] {
  if (perSecond >= 1) return ["second", perSecond];
  if (perSecond * 60 >= 1) return ["minute", perSecond * 60];
  if (perSecond * 3_600 >= 1) return ["hour", perSecond * 3_600];
  return ["day", perSecond * 86_400];
}

export function useFlowWords(): FlowWords {
  const words = useWords();
  return useMemo(() => {
    const f: FlowWords["f"] = (key, values) => fill(DICTIONARIES[words.language][key], values);
    const digits = (value: number) => (value >= 9.95 ? 0 : 1);
    return {
      ...words,
      f,
      code: (family, code) => {
        const key = `${family}.${code}`;
        return known(key) ? f(key) : code;
      },
      state: (state) => (state === "none" ? f("state.none") : words.t(`source.${state}`)),
      rate: (perSecond, short = false) => {
        if (perSecond <= 0) return f("rate.zero");
        const [unit, value] = unitOf(perSecond);
        return f(`rate.${short ? "short." : ""}${unit}` as FlowKey, {
          n: words.number(Number(value.toFixed(digits(value)))),
        });
      },
      // 99.96 % is not 100 %: what is not all good never looks as if it were
      percent: (share) =>
        share === null ? "—" : `${words.number(share === 1 ? 100 : Math.min(Math.floor(share * 1_000) / 10, 99.9))}%`,
      bytes: (count) => sizeWords(count, words.number),
      length: (seconds) => (seconds === null ? "—" : duration(seconds, words.language)),
    };
  }, [words]);
}
