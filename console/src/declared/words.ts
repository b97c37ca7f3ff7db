/** The words of applications' pages, in both languages. They are read only with these pages, so they stand here. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type DeclaredKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<DeclaredKey, string>> = { "zh-CN": zh, en };

export interface DeclaredWords extends Words {
  d(key: DeclaredKey, values?: Record<string, string | number>): string;
  /** Several names in a row. */
  list(names: string[]): string;
}

export function useDeclaredWords(): DeclaredWords {
  const words = useWords();
  return useMemo(
    () => ({
      ...words,
      d: (key, values) => fill(DICTIONARIES[words.language][key], values),
      list: (names) => names.join(words.language === "zh-CN" ? "、" : ", "),
    }),
    [words],
  );
}
