/** The panel beside a drawing: one step in plain words. It knows nothing of the file behind it. */

import { NativeSelect, TextInput } from "@mantine/core";
import type { Department } from "../api/types";
import {
  BothLanguages,
  ConditionField,
  EvidenceParts,
  Group,
  Ladder,
  LengthField,
  type Variable,
  WhoField,
} from "./parts";
import type { Step } from "./types";
import { usePlanWords } from "./words";

export interface Known {
  departments: readonly Department[] | undefined;
  /** What conditions may ask about. */
  variables: readonly Variable[];
  /** Parameters of the plan that are lists. */
  lists: readonly string[];
  /** Published decision tables and plans by name, with their titles. */
  tables: readonly { name: string; title: string; outputs?: readonly string[] }[];
  plans: readonly { name: string; title: string }[];
}

export interface FormProps {
  step: Step;
  change: (change: Partial<Step>) => void;
  known: Known;
  disabled?: boolean;
}

/** A list of names in a text field: commas of both scripts. */
const listed = (typed: string) =>
  typed
    .split(/[,，、;；\s]+/)
    .map((one) => one.trim())
    .filter(Boolean);

/** What a step may be turned into. */
export type Turn = "task" | "message" | "decide";

export function StepForm({ step, change, known, disabled = false }: FormProps) {
  const { t, p } = usePlanWords();
  const does = step.does ?? "task";
  return (
    <div className="stack">
      <BothLanguages
        label={p("field.title")}
        required
        disabled={disabled}
        testid="step-title"
        value={step.title}
        change={(title) => change({ title })}
      />
      {does === "task" && !step.call && (
        <>
          <WhoField
            label={p("field.unit")}
            hint={p("field.unitHint")}
            required
            testid="step-unit"
            disabled={disabled}
            departments={known.departments}
            variables={known.variables.filter(({ kind }) => kind === "text" || kind === "any").map(({ name }) => name)}
            value={step.unit}
            change={(unit) => change({ unit })}
          />
          <div className="both">
            <LengthField
              label={t("step.acceptWithin")}
              hint={p("field.acceptHint")}
              required
              testid="step-accept"
              begin="minutes"
              disabled={disabled}
              value={step.accept_within}
              change={(accept_within) => change({ accept_within })}
            />
            <LengthField
              label={t("step.due")}
              hint={p("field.dueHint")}
              required
              testid="step-due"
              disabled={disabled}
              value={step.due}
              change={(due) => change({ due })}
            />
          </div>
          <NativeSelect
            label={p("field.clock")}
            disabled={disabled}
            data={[
              { value: "elapsed", label: p("clock.elapsed") },
              { value: "working", label: p("clock.working") },
            ]}
            value={step.clock ?? "elapsed"}
            onChange={({ currentTarget: { value } }) => change({ clock: value === "working" ? "working" : "elapsed" })}
          />
          <EvidenceParts disabled={disabled} value={step.evidence ?? []} change={(evidence) => change({ evidence })} />
          <WhoField
            label={p("step.verifyBy")}
            hint={p("field.verifyHint")}
            centre
            testid="step-verify"
            disabled={disabled}
            departments={known.departments}
            value={step.verify_by}
            change={(verify_by) => change({ verify_by })}
          />
          <Ladder
            disabled={disabled}
            departments={known.departments}
            value={step.escalate ?? []}
            change={(escalate) => change({ escalate })}
          />
          <Group title={p("field.each")} hint={p("field.eachHint")}>
            <NativeSelect
              aria-label={p("field.each")}
              disabled={disabled}
              data={[
                { value: "", label: p("each.once") },
                { value: "*", label: p("each.list") },
                ...known.lists.map((name) => ({ value: name, label: p("each.parameter", { name }) })),
              ]}
              value={step.each ? (typeof step.each.in === "string" ? step.each.in : "*") : ""}
              onChange={({ currentTarget: { value } }) =>
                change({
                  each:
                    value === ""
                      ? null
                      : { as: step.each?.as ?? "item", in: value === "*" ? [p("each.first")] : value },
                })
              }
            />
            {step.each && Array.isArray(step.each.in) && (
              <TextInput
                label={p("each.items")}
                description={p("form.choicesHint")}
                disabled={disabled}
                key={step.id}
                defaultValue={step.each.in.map((one) => (typeof one === "object" ? one.id : String(one))).join("，")}
                onBlur={(event) => {
                  const items = listed(event.currentTarget.value);
                  if (items.length > 0) change({ each: { as: step.each?.as ?? "item", in: items } });
                }}
              />
            )}
          </Group>
        </>
      )}
      {does === "message" && (
        <Group title={p("field.message")} hint={p("field.messageHint")}>
          <TextInput
            label={p("field.topic")}
            description={p("field.topicHint")}
            required
            disabled={disabled}
            value={step.topic ?? ""}
            onChange={(event) => change({ topic: event.currentTarget.value || null })}
          />
          <Payload step={step} change={change} disabled={disabled} />
        </Group>
      )}
      {does === "decide" && (
        <Choice
          label={p("field.table")}
          hint={p("field.tableHint")}
          none={p("field.noTables")}
          disabled={disabled}
          from={known.tables}
          value={step.table ?? ""}
          change={(table) => change({ table: table || null })}
        />
      )}
      {step.call && (
        <Choice
          label={p("field.call")}
          hint={p("field.callHint")}
          none={p("field.noPlans")}
          disabled={disabled}
          from={known.plans}
          value={step.call.plan}
          change={(plan) => change({ call: { plan } })}
        />
      )}
      {does === "wait" && (
        <LengthField
          label={p("field.wait")}
          required
          disabled={disabled}
          value={step.delay}
          change={(delay) => change({ delay })}
        />
      )}
      <ConditionField
        label={p("field.when")}
        hint={p("field.whenHint")}
        disabled={disabled}
        variables={known.variables}
        value={step.when}
        change={(when) => change({ when })}
      />
      <TextInput
        label={p("field.clauses")}
        description={p("field.clausesHint")}
        disabled={disabled}
        key={`clauses-${step.id}`}
        defaultValue={(step.clauses ?? []).join("，")}
        onBlur={(event) => change({ clauses: listed(event.currentTarget.value) })}
      />
    </div>
  );
}

function Choice({
  label,
  hint,
  none,
  from,
  value,
  change,
  disabled,
}: {
  label: string;
  hint: string;
  none: string;
  from: readonly { name: string; title: string }[];
  value: string;
  change: (value: string) => void;
  disabled: boolean;
}) {
  const { p } = usePlanWords();
  const data = [
    { value: "", label: "—" },
    ...from.map(({ name, title }) => ({ value: name, label: title === name ? name : `${title}（${name}）` })),
  ];
  if (value !== "" && !from.some(({ name }) => name === value))
    data.push({ value, label: p("who.unknown", { code: value }) });
  return (
    <NativeSelect
      label={label}
      description={from.length === 0 ? none : hint}
      required
      disabled={disabled}
      data={data}
      value={value}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}

/** The contents of a message: names and values; a value that begins with $ is taken from the run. */
function Payload({ step, change, disabled }: Pick<FormProps, "step" | "change"> & { disabled: boolean }) {
  const { p } = usePlanWords();
  const text = Object.entries(step.payload ?? {})
    .map(([name, value]) => `${name} = ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join("\n");
  return (
    <textarea
      className="code"
      aria-label={p("field.payload")}
      placeholder={p("field.payloadHint")}
      rows={3}
      disabled={disabled}
      key={step.id}
      defaultValue={text}
      onBlur={(event) => {
        const payload: Record<string, unknown> = {};
        for (const line of event.currentTarget.value.split("\n")) {
          const [name = "", ...rest] = line.split("=");
          if (name.trim() !== "" && rest.length > 0) payload[name.trim()] = value(rest.join("=").trim());
        }
        change({ payload });
      }}
    />
  );
}

/** Written true, 3 or [..] is that value, anything else the words themselves. */
function value(typed: string): unknown {
  try {
    return JSON.parse(typed);
  } catch {
    return typed;
  }
}
