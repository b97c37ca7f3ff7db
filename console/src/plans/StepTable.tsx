/** Every step of a plan in words: who, what, when, what must be shown, who checks, who is told. */

import { type ReactNode, useEffect, useRef } from "react";
import type { Department, Text } from "../api/types";
import { Table } from "../ui/Table";
import { askedNames } from "./asked";
import { EVIDENCE, type PlanBody, type Rung, type Step } from "./types";
import { type PlanWords, titled, usePlanWords } from "./words";

export interface Names {
  /** The title of a department, a role or a step by its code. */
  unit(code: string): string;
  step(id: string): string;
  /** What the names in conditions mean. */
  asked: ReadonlyMap<string, string>;
}

const ROLES: Record<string, Text> = {
  coordinator: { "zh-CN": "指挥协调员", en: "coordinator" },
  duty_officer: { "zh-CN": "值班长", en: "duty officer" },
  mayor: { "zh-CN": "市领导", en: "mayor" },
};
export const ROLE_CODES = Object.keys(ROLES);

/** What codes of a plan are called: departments, roles, and its own steps. */
export function namesOf(
  steps: readonly Step[],
  departments: readonly Department[] | undefined,
  { say, p }: PlanWords,
  parameters: PlanBody["parameters"] = {},
  parameterTitles: PlanBody["titles"] = {},
): Names {
  const units = new Map<string, string>(Object.entries(ROLES).map(([code, title]) => [code, say(title)]));
  for (const { code, title } of departments ?? []) units.set(code, say(title));
  const titles = new Map(steps.map((step) => [step.id, say(titled(step.title, step.id))]));
  /** A department that is chosen at the start, or that a step before decides. */
  const later = (name: string) => {
    const unit = units.get(String(parameters[name]));
    if (unit !== undefined) return p("unit.chosen", { unit });
    const decider = steps.find((step) => step.outputs?.includes(name) || name in (step.sets ?? {}));
    return p("unit.variable", { name: decider === undefined ? name : say(titled(decider.title, decider.id)) });
  };
  return {
    unit: (code) => (code.startsWith("$") ? later(code.slice(1)) : (units.get(code) ?? code)),
    step: (id) => titles.get(id) ?? id,
    asked: askedNames(steps, say, parameterTitles),
  };
}

export function StepTable({
  plan,
  departments,
  chosen = null,
  choose,
  mark,
}: {
  plan: PlanBody;
  departments: readonly Department[] | undefined;
  chosen?: string | null;
  choose?: (step: string) => void;
  /** What stands before the title of a step, e.g. that it has changed. */
  mark?: (step: Step) => ReactNode;
}) {
  const words = usePlanWords();
  const { t, p, say } = words;
  const names = namesOf(plan.steps, departments, words, plan.parameters, plan.titles);
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (chosen !== null) row.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return (
    <section className="flush" tabIndex={0} aria-label={p("steps.title")}>
      <Table className="steps" data-testid="step-table">
        <thead>
          <tr>
            <th>{t("step.what")}</th>
            <th data-cell="plain">{t("step.department")}</th>
            <th>{t("step.starts")}</th>
            <th>{t("step.acceptWithin")}</th>
            <th>{t("step.due")}</th>
            <th>{p("step.evidence")}</th>
            <th>{p("step.verifyBy")}</th>
            <th>{p("step.escalate")}</th>
          </tr>
        </thead>
        <tbody>
          {plan.steps.map((step) => {
            const task = (step.does ?? "task") === "task" && !step.call;
            const title = say(titled(step.title, step.id));
            return (
              <tr
                key={step.id}
                ref={step.id === chosen ? row : undefined}
                data-step={step.id}
                aria-current={step.id === chosen ? "true" : undefined}
              >
                <td className="wide">
                  {mark?.(step)}
                  {choose ? (
                    <button type="button" className="link" onClick={() => choose(step.id)}>
                      {title}
                    </button>
                  ) : (
                    title
                  )}
                  <Conditions step={step} names={names} />
                </td>
                <td>
                  {step.call
                    ? p("step.callsPlan", { plan: step.call.plan })
                    : task
                      ? step.unit
                        ? step.unit_title
                          ? say(step.unit_title)
                          : names.unit(step.unit)
                        : "—"
                      : p(`does.${step.does ?? "task"}`)}
                </td>
                <td>{startWords(step, names, words)}</td>
                <td className="numeric">{task ? allowed(step.accept_within, step, words) : "—"}</td>
                <td className="numeric">{task ? allowed(step.due, step, words) : "—"}</td>
                <td>{task ? evidenceWords(step, words) : "—"}</td>
                <td>
                  {task
                    ? step.verify_by && step.verify_by !== "coordinator"
                      ? names.unit(step.verify_by)
                      : p("step.centre")
                    : "—"}
                </td>
                <td>
                  {(step.escalate ?? []).length === 0
                    ? "—"
                    : (step.escalate ?? []).map((rung) => (
                        <div key={`${rung.at}${rung.to}`}>{rungWords(rung, names, words)}</div>
                      ))}
                </td>
              </tr>
            );
          })}
        </tbody>
      </Table>
    </section>
  );
}

/** Under the title: only when, for each, only if it takes too long, what it decides, which clauses ask for it. */
function Conditions({ step, names }: { step: Step; names: Names }) {
  const words = usePlanWords();
  const { p } = words;
  const lines: string[] = [];
  if (step.when) lines.push(p("step.onlyWhen", { condition: words.condition(step.when, names.asked) }));
  if (step.each)
    lines.push(
      typeof step.each.in === "string"
        ? p("step.eachOf", { list: names.asked.get(step.each.in) ?? step.each.in })
        : p("step.eachOfMany", { n: step.each.in.length }),
    );
  if (step.table) lines.push(p("step.asksTable", { table: step.table }));
  if (step.topic) lines.push(p("step.sends", { topic: step.topic }));
  if (step.clauses && step.clauses.length > 0)
    lines.push(p("step.clauses", { clauses: step.clauses.join(words.t("listComma")) }));
  return lines.map((line) => (
    <div key={line} className="quiet">
      {line}
    </div>
  ));
}

export function startWords(step: Step, names: Names, { t, p, length }: PlanWords): string {
  const parts: string[] = [];
  if (step.during)
    parts.push(
      p(step.during.interrupt ? "step.whenLateStops" : "step.whenLate", {
        step: [step.during.step].flat().map(names.step).join(t("listComma")),
        length: length(step.during.after),
      }),
    );
  const after = step.after ?? [];
  if (after.length > 0)
    parts.push(
      after.length > 2
        ? t("step.afterMany", { n: after.length })
        : t("step.after", { steps: after.map(names.step).join(t("listComma")) }),
    );
  if (step.delay && step.delay !== "PT0S") {
    const words = t("step.delayed", { length: length(step.delay) });
    parts.push(step.from === "start" && after.length > 0 ? p("step.fromStart", { delay: words }) : words);
  }
  return parts.length === 0 ? t("step.atOnce") : parts.join(p("join"));
}

const allowed = (iso: string | null | undefined, step: Step, { p, length }: PlanWords) =>
  iso ? (step.clock === "working" ? p("length.working", { length: length(iso) }) : length(iso)) : "—";

export function evidenceWords(step: Step, { t, p }: PlanWords): string {
  const asked = step.evidence ?? [];
  if (asked.length === 0) return t("task.noEvidence");
  return asked
    .map(({ kind, min = 1, schema }) => {
      const fields = Object.keys(schema?.properties ?? {}).length;
      const word = EVIDENCE.includes(kind) ? p(`evidence.${kind}`) : kind;
      if (fields > 0) return p("evidence.fields", { kind: word, n: fields });
      return min > 1 ? p("evidence.atLeast", { kind: word, n: min }) : word;
    })
    .join(t("listComma"));
}

export function rungWords(rung: Rung, names: Names, { p, say, length }: PlanWords): string {
  const to = rung.to_title ? say(rung.to_title) : names.unit(rung.to);
  if (rung.at === "accept") return p("rung.accept", { to });
  if (rung.at === "due") return p("rung.due", { to });
  return p("rung.after", { to, length: length(rung.at) });
}
