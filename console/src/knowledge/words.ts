/** The words of cases, clauses and suggestions, in both languages. They are read only with these pages. */

import { useMemo } from "react";
import { useDepartments } from "../api/queries";
import type { Language, Text } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { duration, isoSeconds } from "../time/format";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type KnowledgeKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<KnowledgeKey, string>> = { "zh-CN": zh, en };

export interface KnowledgeWords extends Words {
  k(key: KnowledgeKey, values?: Record<string, string | number>): string;
  /** A length of time: seconds, or ISO 8601. */
  length(of: number | string | null): string;
  /** A department by its code. */
  unit(code: string | null, title?: Text | null): string;
}

export function useKnowledgeWords(): KnowledgeWords {
  const words = useWords();
  const departments = useDepartments().data;
  return useMemo(() => {
    const titles = new Map((departments ?? []).map(({ code, title }) => [code, title]));
    return {
      ...words,
      k: (key, values) => fill(DICTIONARIES[words.language][key], values),
      length: (of) => {
        const seconds = typeof of === "string" ? isoSeconds(of) : of;
        return seconds === null ? "—" : duration(seconds, words.language);
      },
      unit: (code, title) => (code === null ? "" : words.say(title ?? titles.get(code)) || code),
    };
  }, [words, departments]);
}
