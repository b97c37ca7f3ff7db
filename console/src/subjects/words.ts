/** The words of the pages of subjects, in both languages. They are read only with these pages, so they stand here. */

import { useMemo } from "react";
import { useDepartments } from "../api/queries";
import type { Language } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { cityTime } from "../time/format";
import { useZone } from "../ui/Time";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type SubjectKey = keyof typeof zh;
const DICTIONARIES: Record<Language, Record<SubjectKey, string>> = { "zh-CN": zh, en };

interface SubjectWords extends Words {
  s(key: SubjectKey, values?: Record<string, string | number>): string;
  /** A department by its code. */
  unit(code: string): string;
  /** Several names in a row. */
  list(names: string[]): string;
  /** A value of a row as it can be read: moments in the city's zone, long texts cut. */
  plain(value: unknown): string;
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const LONG = 80;

export function useSubjectWords(): SubjectWords {
  const words = useWords();
  const departments = useDepartments().data;
  const zone = useZone();
  return useMemo(() => {
    const titles = new Map((departments ?? []).map(({ code, title }) => [code, title]));
    return {
      ...words,
      s: (key, values) => fill(DICTIONARIES[words.language][key], values),
      unit: (code) => words.say(titles.get(code)) || code,
      list: (names) => names.join(words.language === "zh-CN" ? "、" : ", "),
      plain: (value) => {
        if (typeof value === "number")
          return value.toLocaleString(words.language, { maximumFractionDigits: 5, useGrouping: "min2" });
        const said = String(value);
        if (MOMENT.test(said)) return cityTime(said, zone, "minute");
        return said.length > LONG ? `${said.slice(0, LONG)}…` : said;
      },
    };
  }, [words, departments, zone]);
}
