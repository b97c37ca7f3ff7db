/** The words of the pages of subjects, in both languages. They are read only with these pages, so they stand here. */

import { useMemo } from "react";
import { useDepartments } from "../api/queries";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type SubjectKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<SubjectKey, string>> = { "zh-CN": zh, en };

interface SubjectWords extends Words {
  s(key: SubjectKey, values?: Record<string, string | number>): string;
  /** A department by its code. */
  unit(code: string): string;
}

export function useSubjectWords(): SubjectWords {
  const words = useWords();
  const departments = useDepartments().data;
  return useMemo(() => {
    const titles = new Map((departments ?? []).map(({ code, title }) => [code, title]));
    return {
      ...words,
      s: (key, values) => fill(DICTIONARIES[words.language][key], values),
      unit: (code) => words.say(titles.get(code)) || code,
    };
  }, [words, departments]);
}
