/** What the names in conditions mean: the question of the form that sets them, or the parameter that is asked at the start. */

import type { Text } from "../api/types";
import type { Step } from "./types";

type Asking = Pick<Step, "sets" | "evidence">;

const isText = (value: unknown): value is Text => typeof value === "object" && value !== null;

export function askedNames(
  steps: readonly Asking[],
  say: (text: Text | string) => string,
  parameters: Readonly<Record<string, Text>> = {},
): ReadonlyMap<string, string> {
  const names = new Map(Object.entries(parameters).map(([name, title]) => [name, say(title)]));
  for (const { sets, evidence } of steps)
    for (const [name, field] of Object.entries(sets ?? {}))
      for (const { schema } of evidence ?? []) {
        const title: unknown = schema?.properties?.[field]?.title;
        if (typeof title === "string" || isText(title)) names.set(name, say(title).replace(/[?？]$/, ""));
      }
  return names;
}
