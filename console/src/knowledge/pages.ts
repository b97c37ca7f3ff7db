/** The words of the pages of cases and clauses: apart from those of suggestions, which the command page carries too. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill } from "../i18n";
import { en } from "./pages.en";
import { zh } from "./pages.zh";
import { type KnowledgeWords, useKnowledgeWords } from "./words";

type PageKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<PageKey, string>> = { "zh-CN": zh, en };

interface PageWords extends KnowledgeWords {
  p(key: PageKey, values?: Record<string, string | number>): string;
}

export function usePageWords(): PageWords {
  const words = useKnowledgeWords();
  return useMemo(() => ({ ...words, p: (key, values) => fill(DICTIONARIES[words.language][key], values) }), [words]);
}
