/** The words of the pages of matters, in both languages. They are read only with these pages, so they stand here. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type MatterKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<MatterKey, string>> = { "zh-CN": zh, en };

export interface MatterWords extends Words {
  m(key: MatterKey, values?: Record<string, string | number>): string;
  /** How many reports, in words. */
  reports(n: number): string;
  /** A probability in words with its figure. */
  likely(score: number): string;
}

export function useMatterWords(): MatterWords {
  const words = useWords();
  return useMemo(() => {
    const m: MatterWords["m"] = (key, values) => fill(DICTIONARIES[words.language][key], values);
    return {
      ...words,
      m,
      reports: (n) => m("list.reports", { n }),
      likely: (score) => {
        const word = score >= 0.9 ? "sure" : score >= 0.6 ? "very" : score >= 0.3 ? "maybe" : "hardly";
        return m("reports.likely", { word: m(`likely.${word}`), percent: Math.round(100 * score) });
      },
    };
  }, [words]);
}

/** The word for an event of a matter; as the code it is where there is none. */
export const isKey = (key: string): key is MatterKey => key in zh;
