/** The words of a department's own page, in both languages. They are read only with it, so they stand here. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type HomeKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<HomeKey, string>> = { "zh-CN": zh, en };

export interface HomeWords extends Words {
  h(key: HomeKey, values?: Record<string, string | number>): string;
}

export function useHomeWords(): HomeWords {
  const words = useWords();
  return useMemo(() => ({ ...words, h: (key, values) => fill(DICTIONARIES[words.language][key], values) }), [words]);
}
