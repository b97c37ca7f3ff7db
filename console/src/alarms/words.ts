/** The words of alarm management, in both languages. They are read only with these pages. */

import { useMemo } from "react";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { duration } from "../time/format";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type AlarmKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<AlarmKey, string>> = { "zh-CN": zh, en };

export interface AlarmWords extends Words {
  a(key: AlarmKey, values?: Record<string, string | number>): string;
  percent(share: number | null): string;
  length(seconds: number | null): string;
}

export function useAlarmWords(): AlarmWords {
  const words = useWords();
  return useMemo(
    () => ({
      ...words,
      a: (key, values) => fill(DICTIONARIES[words.language][key], values),
      percent: (share) => (share === null ? "—" : `${words.number(share * 100, share < 0.1 ? 1 : 0)}%`),
      length: (seconds) => (seconds === null ? "—" : duration(seconds, words.language)),
    }),
    [words],
  );
}
