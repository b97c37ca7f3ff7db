/** Two versions of what was done in a case, compared. */

import type { Case } from "./types";

export type CarriedOut = Case["steps"][number];

/** What two versions of the work differ in, step by step: what was added, what is gone, and each field that is another. */
export function stepsApart(before: readonly CarriedOut[], after: readonly CarriedOut[]) {
  const keys = (steps: readonly CarriedOut[]) => {
    const seen = new Map<string, number>();
    return new Map(
      steps.map((step) => {
        const nth = (seen.get(step.step) ?? 0) + 1;
        seen.set(step.step, nth);
        return [`${step.step} ${nth}`, step] as const;
      }),
    );
  };
  const [was, is] = [keys(before), keys(after)];
  const fields = ["unit", "due", "took", "late", "rework", "returned"] as const;
  return {
    added: [...is].flatMap(([key, step]) => (was.has(key) ? [] : [step])),
    removed: [...was].flatMap(([key, step]) => (is.has(key) ? [] : [step])),
    changed: [...is].flatMap(([key, step]) => {
      const old = was.get(key);
      return old === undefined
        ? []
        : fields.filter((field) => old[field] !== step[field]).map((field) => ({ field, before: old, after: step }));
    }),
  };
}
