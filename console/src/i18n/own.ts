/** The words of one part of the console, read only with its pages: `p("key")` in the language of the person. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "./index";

export interface OwnWords<K extends string> extends Words {
  p(key: K, values?: Record<string, string | number>): string;
}

export function ownWords<K extends string>(zh: Record<K, string>, en: Record<K, string>): () => OwnWords<K> {
  const dictionaries: Record<Language, Record<K, string>> = { "zh-CN": zh, en };
  return () => {
    const words = useWords();
    return useMemo(() => ({ ...words, p: (key, values) => fill(dictionaries[words.language][key], values) }), [words]);
  };
}
