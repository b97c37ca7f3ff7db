/**
 * What decision tables call level, kind, plan and unit is what the city calls so: such columns and values are shown as a
 * person reads them. Whatever else a table asks or answers stays as its author wrote it.
 */

import type { ReactNode } from "react";
import { Link } from "wouter";
import { useDepartments } from "../api/queries";
import type { Level } from "../api/types";
import { useKinds } from "../knowledge/kinds";
import { Severity } from "../ui/Severity";
import { severityName } from "../ui/severity";
import { useFamilies } from "./queries";
import { usePlanWords } from "./words";

const NAMES = ["level", "kind", "plan", "unit"] as const;
type Name = (typeof NAMES)[number];
const isName = (name: string): name is Name => NAMES.includes(name as Name);

const levelOf = (value: string): Level | null => (/^[1-4]$/.test(value) ? (Number(value) as Level) : null);

export interface Named {
  /** The title of a column; null where the city has none for it. */
  title(name: string): string | null;
  /** A value in words; null where it is none that the city knows. */
  words(name: string, value: string): string | null;
  /** A value as a table shows it. */
  shown(name: string, value: string): ReactNode;
}

export function useNamed(): Named {
  const { p, t, say } = usePlanWords();
  const departments = useDepartments().data;
  const families = useFamilies().data;
  const kinds = useKinds();
  const title = (name: string) => (isName(name) ? p(`named.${name}`) : null);
  const words = (name: string, value: string) => {
    if (name === "level") {
      const level = levelOf(value);
      return level === null ? null : t(`severity.${severityName(level)}`);
    }
    if (name === "kind") return say(kinds.find(({ code }) => code === value)?.title) || null;
    if (name === "plan") return say(families?.find((one) => one.name === value)?.title) || null;
    if (name === "unit") return say(departments?.find(({ code }) => code === value)?.title) || null;
    return null;
  };
  const shown = (name: string, value: string) => {
    const level = name === "level" ? levelOf(value) : null;
    if (level !== null) return <Severity level={level} />;
    const said = words(name, value);
    if (said === null) return value;
    const digest = name === "plan" ? inForce(families?.find((one) => one.name === value)?.versions) : undefined;
    return digest ? <Link href={`/plans/${digest}`}>{said}</Link> : <span title={value}>{said}</span>;
  };
  return { title, words, shown };
}

const inForce = (versions: readonly { digest: string; in_force: boolean }[] | undefined) =>
  (versions?.find(({ in_force }) => in_force) ?? versions?.[0])?.digest;
