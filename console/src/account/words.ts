/** The words of the pages of account, in both languages. They are read only with these pages, so they stand here. */

import { useMemo } from "react";
import { useDepartments, useSession } from "../api/queries";
import type { Language, Person } from "../api/types";
import { fill, useWords, type Words } from "../i18n";
import { en } from "./words.en";
import { zh } from "./words.zh";

export type AccountKey = keyof typeof zh;
export const DICTIONARIES: Record<Language, Record<AccountKey, string>> = { "zh-CN": zh, en };

export interface AccountWords extends Words {
  a(key: AccountKey, values?: Record<string, string | number>): string;
  /** The name of a share. */
  rate(name: string): string;
  /** What a share counts, over what. */
  what(name: string): string;
  /** A share in per cent; a dash where there is nothing to divide by. */
  percent(share: number | null): string;
  /** A change of a share in percentage points, signed. */
  points(change: number): string;
}

const known = (key: string): key is AccountKey => key in zh;

export function useAccountWords(): AccountWords {
  const words = useWords();
  return useMemo(() => {
    const a: AccountWords["a"] = (key, values) => fill(DICTIONARIES[words.language][key], values);
    const or = (key: string, other: string) => (known(key) ? a(key) : other);
    return {
      ...words,
      a,
      rate: (name) => or(`rate.${name}`, name),
      what: (name) => or(`what.${name}`, ""),
      percent: (share) => (share === null ? "—" : `${words.number(share * 100, 1)}%`),
      points: (change) => `${change > 0 ? "+" : change < 0 ? "−" : "±"}${words.number(Math.abs(change) * 100, 1)}`,
    };
  }, [words]);
}

/** Who or which department it is, in words: a department by its title, oneself as oneself. */
export function useNames() {
  const { a, t, say } = useAccountWords();
  const departments = useDepartments().data;
  const me = useSession().data?.actor.id;
  return useMemo(() => {
    const titles = new Map((departments ?? []).map(({ code, title }) => [code, title]));
    return {
      unit: (code: string) => {
        if (code === "coordinator") return t("role.coordinator");
        if (code === "plan") return a("holder.plan");
        return say(titles.get(code)) || code;
      },
      person: (one: Person | string | null) => {
        if (one === null) return "—";
        const id = typeof one === "string" ? one : one.id;
        if (id === me) return a("person.me");
        if (id.startsWith("system:")) return a("person.city");
        return (typeof one === "string" ? "" : say(one.name)) || id.replace(/^user:/, "");
      },
    };
  }, [departments, me, a, t, say]);
}
