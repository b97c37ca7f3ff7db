/** The words of handing over, in both languages. They are read only with these pages. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type HandoverKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<HandoverKey, string>> = { "zh-CN": zh, en };

export interface HandoverWords extends Words {
  h(key: HandoverKey, values?: Record<string, string | number>): string;
}

export function useHandoverWords(): HandoverWords {
  const words = useWords();
  return useMemo(() => ({ ...words, h: (key, values) => fill(DICTIONARIES[words.language][key], values) }), [words]);
}
