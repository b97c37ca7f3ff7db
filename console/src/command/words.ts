/** The words of the command page, in both languages. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type CommandKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<CommandKey, string>> = { "zh-CN": zh, en };

export interface CommandWords extends Words {
  c(key: CommandKey, values?: Record<string, string | number>): string;
}

export function useCommandWords(): CommandWords {
  const words = useWords();
  return useMemo(() => ({ ...words, c: (key, values) => fill(DICTIONARIES[words.language][key], values) }), [words]);
}
