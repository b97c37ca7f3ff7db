/** The words of the wall, in both languages. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type WallKey = keyof typeof zh;
export const DICTIONARIES: Record<Language, Record<WallKey, string>> = { "zh-CN": zh, en };

export interface WallWords extends Words {
  w(key: WallKey, values?: Record<string, string | number>): string;
}

export function useWallWords(): WallWords {
  const words = useWords();
  return useMemo(() => ({ ...words, w: (key, values) => fill(DICTIONARIES[words.language][key], values) }), [words]);
}
