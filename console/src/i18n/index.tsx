/** The two languages of the console. The city's own words come as `Text` and are picked here too. */

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { speak } from "../api/client";
import type { Language, Text } from "../api/types";
import { en } from "./en";
import { type Dictionary, type Key, zhCN } from "./zh-CN";

export type { Key } from "./zh-CN";

const DICTIONARIES: Record<Language, Dictionary> = { "zh-CN": zhCN, en };
const STORED = "cityheart.language";

const COUNTED = new Intl.PluralRules("en"); // Chinese words do not change with their number

/** The count a value stands for, also when it was already written for the reader ("1,234"). */
const countOf = (value: string | number | undefined) =>
  typeof value === "number" ? value : Number.parseFloat((value ?? "").replace(/[^\d.]/g, ""));

/**
 * Fills `{name}` places; a missing value stays visible as its name. `{n|column|columns}` is the word for so many: the
 * first for one, the second for any other number.
 */
export function fill(template: string, values: Record<string, string | number> = {}): string {
  return template.replace(
    /\{(\w+)(?:\|([^|{}]+)\|([^|{}]+))?\}/g,
    (place, name: string, one?: string, other?: string) =>
      one === undefined || other === undefined
        ? String(values[name] ?? place)
        : COUNTED.select(countOf(values[name])) === "one"
          ? one
          : other,
  );
}

/** The text in this language, else in the other one, else nothing. */
export function pick(text: Text | string | null | undefined, language: Language): string {
  if (text === null || text === undefined) return "";
  if (typeof text === "string") return text;
  return text[language] ?? text["zh-CN"] ?? text.en ?? Object.values(text)[0] ?? "";
}

export interface Words {
  language: Language;
  setLanguage(language: Language): void;
  t(key: Key, values?: Record<string, string | number>): string;
  /** The city's own words in the reader's language. */
  say(text: Text | string | null | undefined): string;
  number(value: number | null | undefined, digits?: number): string;
}

const WordsContext = createContext<Words | null>(null);

function remembered(): Language {
  const stored = localStorage.getItem(STORED);
  if (stored === "zh-CN" || stored === "en") return spoken(stored);
  return spoken(navigator.language.startsWith("zh") ? "zh-CN" : "en");
}

function spoken(language: Language): Language {
  speak(language);
  return language;
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(remembered);
  useEffect(() => {
    document.documentElement.lang = language;
    localStorage.setItem(STORED, language);
  }, [language]);
  const words = useMemo<Words>(
    () => ({
      language,
      setLanguage: (chosen) => setLanguage(spoken(chosen)),
      t: (key, values) => fill(DICTIONARIES[language][key], values),
      say: (text) => pick(text, language),
      number: (value, digits) =>
        value === null || value === undefined
          ? "—"
          : value.toLocaleString(language, {
              maximumFractionDigits: digits ?? (Math.abs(value) < 1 ? 2 : 1),
              minimumFractionDigits: digits,
              useGrouping: "min2",
            }),
    }),
    [language],
  );
  return <WordsContext value={words}>{children}</WordsContext>;
}

export function useWords(): Words {
  const words = useContext(WordsContext);
  if (words === null) throw new Error("useWords outside LanguageProvider");
  return words;
}
