/** Two versions of a plan, step by step, in words. */

import type { Mark } from "../bpmn/Drawing";
import { evidenceWords, type Names, rungWords } from "./StepTable";
import { type AskedEvidence, type Diff, EVIDENCE, type PlanBody, type Rung, type Step } from "./types";
import type { PlanKey, PlanWords } from "./words";

/** The marks of a drawing: `newer` shows what was added, the older one what is gone, both what is different. */
export function marksOf(diff: Diff, newer: boolean, p: PlanWords["p"]): ReadonlyMap<string, Mark> {
  const marks = new Map<string, Mark>();
  for (const { id } of diff.steps.changed) marks.set(id, { tone: "changed", word: p("diff.changed") });
  if (newer) for (const id of diff.steps.added) marks.set(id, { tone: "added", word: p("diff.added") });
  else for (const id of diff.steps.removed) marks.set(id, { tone: "removed", word: p("diff.removed") });
  return marks;
}

const FIELDS: Record<string, PlanKey> = {
  title: "field.title",
  unit: "field.unit",
  does: "field.does",
  after: "diff.after",
  delay: "diff.delay",
  from: "diff.from",
  accept_within: "diff.acceptWithin",
  due: "diff.due",
  escalate: "step.escalate",
  evidence: "step.evidence",
  verify_by: "step.verifyBy",
  when: "field.when",
  loop_guard: "diff.loopGuard",
  clock: "field.clock",
  clauses: "field.clauses",
  each: "field.each",
  during: "diff.during",
  sets: "diff.sets",
  topic: "field.topic",
  payload: "field.payload",
  table: "field.table",
  decision: "diff.decision",
  inputs: "diff.inputs",
  outputs: "diff.outputs",
  version: "plan.version",
  plan: "plan.name",
  source: "plan.source",
  for: "plan.for",
  valid_from: "plan.validFrom",
  valid_until: "plan.validUntil",
  parameters: "plan.parameters",
  titles: "diff.titles",
  calls: "diff.calls",
  drawn: "diff.drawn",
};

export const fieldWord = (field: string, p: PlanWords["p"]): string => {
  const key = FIELDS[field];
  return key === undefined ? field : p(key);
};

const isText = (value: unknown): value is Record<string, string> =>
  typeof value === "object" && value !== null && ("zh-CN" in value || "en" in value);

/** A value of a field as the step table would say it. */
export function valueWord(field: string, value: unknown, names: Names, words: PlanWords): string {
  const { p, t, say, length, condition } = words;
  if (value === null || value === undefined || value === "" || (Array.isArray(value) && value.length === 0))
    return p("diff.nothing");
  if (isText(value)) return say(value);
  switch (field) {
    case "accept_within":
    case "due":
    case "delay":
      return length(String(value));
    case "unit":
    case "verify_by":
      return value === "coordinator" ? p("step.centre") : names.unit(String(value));
    case "when":
      return condition(String(value), names.asked);
    case "after":
      return (value as string[]).map(names.step).join(t("listComma"));
    case "clock":
      return p(value === "working" ? "clock.working" : "clock.elapsed");
    case "from":
      return p(value === "start" ? "from.start" : "from.predecessors");
    case "does":
      return p(`does.${value as "task"}`);
    case "escalate":
      return (value as Rung[]).map((rung) => rungWords(rung, names, words)).join(p("join"));
    case "evidence": {
      const asked = (value as AskedEvidence[]).filter(({ kind }) => EVIDENCE.includes(kind));
      return evidenceWords({ id: "", evidence: asked } as Step, words);
    }
    case "clauses":
      return (value as string[]).join(t("listComma"));
    case "drawn":
      return t(value ? "yes" : "no");
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The steps of both versions, each once, in the order of the newer one. */
export function together(before: PlanBody, after: PlanBody): Step[] {
  const gone = before.steps.filter(({ id }) => !after.steps.some((step) => step.id === id));
  return [...after.steps, ...gone];
}
