/** What a plan asks whoever dispatches it: typed fields, filled from the plan and, where it fits, from the alert. */

import { Checkbox, NativeSelect, NumberInput, Textarea, TextInput } from "@mantine/core";
import { useDepartments } from "../api/queries";
import type { Alert, Department, Text } from "../api/types";
import { useWords } from "../i18n";
import type { AdvisedPlan, AdvisedStep } from "../knowledge/types";

export type Value = boolean | number | string | Value[];
export type Given = Record<string, Value>;

type Kind = "truth" | "number" | "text" | "list" | "department" | "departments";

export interface Asked {
  name: string;
  /** What people call it, where the plan says so. */
  title: Text | null;
  kind: Kind;
  /** What the plan declares. */
  declared: Value;
  /** What the alert says instead; null where it says nothing of it. */
  told: string | null;
  /** The steps in which it stands. */
  steps: AdvisedStep[];
}

/** The facts of an alert by the names that parameters have for them. */
function factsOf(alert: Alert | undefined): ReadonlyMap<string, string> {
  if (alert === undefined) return new Map();
  const { subject } = alert;
  return new Map([
    ["subject", subject.id],
    ["subject_id", subject.id],
    [subject.kind, subject.id],
    [`${subject.kind}_id`, subject.id],
    ["subject_name", subject.name["zh-CN"] ?? ""],
    ["alert_id", alert.id],
    ["area", alert.area?.["zh-CN"] ?? ""],
  ]);
}

const stands = (step: AdvisedStep, name: string) =>
  step.unit === `$${name}` || step.each?.in === name || (step.when ?? "").includes(name);

/** What a plan asks, in the order in which it declares it. */
export function askedBy(plan: AdvisedPlan, alert?: Alert): Asked[] {
  const facts = factsOf(alert);
  return Object.entries(plan.parameters ?? {}).map(([name, declared]) => {
    const steps = plan.steps.filter((step) => stands(step, name));
    const kind = kindOf(name, declared, steps);
    const fact = kind === "text" ? facts.get(name) : undefined;
    return {
      name,
      title: plan.titles?.[name] ?? null,
      kind,
      declared,
      told: fact !== undefined && fact !== "" ? fact : null,
      steps,
    };
  });
}

function kindOf(name: string, declared: Value, steps: readonly AdvisedStep[]): Kind {
  if (typeof declared === "boolean") return "truth";
  if (typeof declared === "number") return "number";
  if (Array.isArray(declared))
    return steps.some(({ unit, each }) => each?.in === name && unit === `$${each.as}`) ? "departments" : "list";
  return steps.some(({ unit }) => unit === `$${name}`) ? "department" : "text";
}

export const chosen = (asked: Asked, given: Given): Value => given[asked.name] ?? asked.told ?? asked.declared;

/** What is sent: only what is not as the plan declares it. */
export function toSend(asked: readonly Asked[], given: Given): Given {
  const other = asked.filter((one) => JSON.stringify(chosen(one, given)) !== JSON.stringify(one.declared));
  return Object.fromEntries(other.map((one) => [one.name, withoutBlank(chosen(one, given))]));
}

/** An empty line is no item of a list. */
const withoutBlank = (value: Value): Value =>
  Array.isArray(value) ? value.filter((one) => typeof one !== "string" || one.trim() !== "") : value;

/** The steps with the departments that are named for them. */
export function stepsWith(
  steps: readonly AdvisedStep[],
  asked: readonly Asked[],
  given: Given,
  title: (code: string) => Text,
): AdvisedStep[] {
  return steps.map((step) => {
    const by = asked.find(({ name }) => step.unit === `$${name}`);
    const listed = asked.find(({ name }) => step.each?.in === name && step.unit === `$${step.each.as}`);
    const codes = by ? [chosen(by, given)] : listed ? chosen(listed, given) : null;
    if (!Array.isArray(codes) || codes.length === 0) return step;
    const titles = codes.map((code) => title(String(code)));
    const join = (language: string, comma: string) => titles.map((one) => one[language] ?? "").join(comma);
    return { ...step, unit: codes.join(" "), unit_title: { "zh-CN": join("zh-CN", "、"), en: join("en", ", ") } };
  });
}

/** How many departments the steps name. */
export const unitsOf = (steps: readonly AdvisedStep[]) => new Set(steps.flatMap(({ unit }) => unit.split(" ")));

/** What a plan asks, each with what holds where nobody says otherwise; pairs of a list of pairs. */
export function DeclaredParameters({
  plan: { parameters, titles },
}: {
  plan: { parameters?: Record<string, Value>; titles?: Record<string, Text> };
}) {
  const { t, say } = useWords();
  const departments = useDepartments().data ?? [];
  const entries = Object.entries(parameters ?? {});
  if (entries.length === 0) return null;
  const shown = (value: Value): string => {
    if (Array.isArray(value)) return value.map(shown).join(t("listComma"));
    if (typeof value === "boolean") return t(value ? "yes" : "no");
    return say(departments.find(({ code }) => code === value)?.title) || String(value);
  };
  return (
    <>
      <dt>{t("parameters.title")}</dt>
      <dd data-testid="declared-parameters">
        {entries.map(([name, value]) => (
          <div key={name}>
            {titles?.[name] ? say(titles[name]) : name} <span className="quiet">{shown(value)}</span>
          </div>
        ))}
      </dd>
    </>
  );
}

export function PlanParameters({
  asked,
  given,
  change,
  wrong,
}: {
  asked: readonly Asked[];
  given: Given;
  change: (given: Given) => void;
  /** Which one the city refused, and why. */
  wrong: { name: string; why: string } | null;
}) {
  const { t } = useWords();
  const departments = useDepartments().data ?? [];
  if (asked.length === 0) return null;
  return (
    <fieldset className="choice" data-testid="plan-parameters">
      <legend>{t("parameters.title")}</legend>
      <div className="stack">
        {asked.map((one) => (
          <Field
            key={one.name}
            asked={one}
            value={chosen(one, given)}
            set={(value) => change({ ...given, [one.name]: value })}
            error={wrong?.name === one.name ? wrong.why : undefined}
            departments={departments}
          />
        ))}
      </div>
    </fieldset>
  );
}

function Field({
  asked,
  value,
  set,
  error,
  departments,
}: {
  asked: Asked;
  value: Value;
  set: (value: Value) => void;
  error: string | undefined;
  departments: readonly Department[];
}) {
  const { t, say } = useWords();
  const { name, title, kind, steps } = asked;
  const used = steps.map(({ title }) => say(title)).join(t("listComma"));
  const unit = kind === "department" || kind === "departments";
  const label = title ? say(title) : unit ? t("parameters.unit", { steps: used }) : name;
  const description = [
    title === null && unit ? name : used && t("parameters.used", { steps: used }),
    asked.told !== null && value === asked.told ? t("parameters.fromAlert") : "",
  ]
    .filter((words) => words !== "")
    .join(" · ");
  const shared = { label, description, error, "data-testid": `parameter-${name}` };
  if (kind === "truth")
    return <Checkbox {...shared} checked={value === true} onChange={(event) => set(event.currentTarget.checked)} />;
  if (kind === "number")
    return (
      <NumberInput
        {...shared}
        value={typeof value === "number" ? value : String(value)}
        onChange={(next) => set(typeof next === "number" ? next : next === "" ? 0 : Number(next))}
      />
    );
  if (kind === "department") {
    const known = departments.some(({ code }) => code === value);
    return (
      <NativeSelect
        {...shared}
        value={String(value)}
        data={[
          ...(known ? [] : [{ value: String(value), label: String(value) }]),
          ...departments.map(({ code, title }) => ({ value: code, label: say(title) })),
        ]}
        onChange={(event) => set(event.currentTarget.value)}
      />
    );
  }
  if (kind === "text")
    return <TextInput {...shared} value={String(value)} onChange={(event) => set(event.currentTarget.value)} />;
  const numbers = Array.isArray(asked.declared) && typeof asked.declared[0] === "number";
  return (
    <Textarea
      {...shared}
      description={[description, t("parameters.lines")].filter((words) => words !== "").join(" · ")}
      autosize
      minRows={2}
      value={Array.isArray(value) ? value.join("\n") : String(value)}
      onChange={(event) => {
        const lines = event.currentTarget.value.split("\n");
        set(numbers ? lines.map((line) => (Number.isNaN(Number(line)) ? line : Number(line))) : lines);
      }}
    />
  );
}
