/** The small parts of the plan editor: a length of time, who, both languages, a ladder, evidence, a condition. */

import { ActionIcon, Button, Checkbox, NativeSelect, NumberInput, Textarea, TextInput } from "@mantine/core";
import { type ReactNode, useId, useState } from "react";
import type { Department, Text } from "../api/types";
import { CloseIcon } from "../ui/icons";
import { type Comparison, type Row, rowsOf, written } from "./condition";
import { joined, split, UNITS, type Unit } from "./duration";
import { ROLE_CODES } from "./StepTable";
import { type AskedEvidence, EVIDENCE, type EvidenceKind, type FormSchema, type Plain, type Rung } from "./types";
import { usePlanWords } from "./words";
import "./plans.css";

export function Group({ title, hint, children }: { title: string; hint?: string; children: ReactNode }) {
  return (
    <fieldset className="fields">
      <legend>{title}</legend>
      {hint && <span className="quiet">{hint}</span>}
      {children}
    </fieldset>
  );
}

/** A text in both languages, edited side by side. */
export function BothLanguages({
  label,
  value,
  change,
  required = false,
  testid,
  disabled = false,
}: {
  label: string;
  value: Text | null | undefined;
  change: (value: Text) => void;
  required?: boolean;
  testid?: string;
  disabled?: boolean;
}) {
  const { p } = usePlanWords();
  const field = (language: "zh-CN" | "en") => (
    <Textarea
      label={`${label} · ${p(language === "en" ? "language.en" : "language.zh")}`}
      lang={language}
      required={required}
      disabled={disabled}
      autosize
      minRows={1}
      data-testid={testid && `${testid}-${language === "en" ? "en" : "zh"}`}
      value={value?.[language] ?? ""}
      onChange={(event) =>
        change({ "zh-CN": value?.["zh-CN"] ?? "", en: value?.en ?? "", [language]: event.currentTarget.value })
      }
    />
  );
  return (
    <div className="both">
      {field("zh-CN")}
      {field("en")}
    </div>
  );
}

/** A number and a unit. Empty is none; a length that is no whole number of minutes is shown and may be replaced. */
export function LengthField({
  label,
  value,
  change,
  required = false,
  hint,
  testid,
  disabled = false,
  begin = "hours",
}: {
  label: string;
  value: string | null | undefined;
  change: (value: string | null) => void;
  required?: boolean;
  hint?: string;
  testid?: string;
  disabled?: boolean;
  /** The unit while nothing is filled in. */
  begin?: Unit;
}) {
  const { p, length } = usePlanWords();
  const id = useId();
  const parts = split(value);
  const [unit, setUnit] = useState<Unit>(parts?.unit ?? begin);
  const shown = parts?.unit ?? unit;
  const odd = value && value !== "PT0S" && parts === null ? length(value) : null;
  return (
    <div>
      <label htmlFor={id} className="label">
        {label}
        {required && <span className="required"> *</span>}
      </label>
      <div className="amount">
        <NumberInput
          id={id}
          min={1}
          max={9999}
          allowDecimal={false}
          allowNegative={false}
          hideControls
          disabled={disabled}
          data-testid={testid}
          value={parts?.amount ?? ""}
          placeholder={odd ?? undefined}
          onChange={(amount) => {
            const number = Number(amount);
            change(
              amount === "" || !Number.isInteger(number) || number < 1 ? null : joined({ amount: number, unit: shown }),
            );
          }}
        />
        <NativeSelect
          aria-label={p("length.unit", { what: label })}
          disabled={disabled}
          data={UNITS.map((one) => ({ value: one, label: p(`length.${one}`) }))}
          value={shown}
          onChange={({ currentTarget: { value: next } }) => {
            setUnit(next as Unit);
            if (parts !== null) change(joined({ amount: parts.amount, unit: next as Unit }));
          }}
        />
      </div>
      {hint && <span className="quiet">{hint}</span>}
    </div>
  );
}

/** A department, or with `roles` also a role of the command centre; `variables` are departments decided on the way. */
export function WhoField({
  label,
  value,
  change,
  departments,
  roles = false,
  centre = false,
  variables = [],
  required = false,
  testid,
  disabled = false,
  hint,
}: {
  label: string;
  value: string | null | undefined;
  change: (value: string | null) => void;
  departments: readonly Department[] | undefined;
  roles?: boolean;
  /** The command centre may be chosen as the default. */
  centre?: boolean;
  variables?: readonly string[];
  required?: boolean;
  testid?: string;
  disabled?: boolean;
  hint?: string;
}) {
  const { p, say } = usePlanWords();
  const known = [
    { value: "", label: centre ? p("step.centre") : "—" },
    ...(roles ? ROLE_CODES.map((code) => ({ value: code, label: p(`who.${code as "mayor"}`) })) : []),
    ...(departments ?? []).map(({ code, title }) => ({ value: code, label: say(title) })),
    ...variables.map((name) => ({ value: `$${name}`, label: p("unit.variable", { name }) })),
  ];
  const now = value === "coordinator" && centre ? "" : (value ?? "");
  const data = known.some((one) => one.value === now)
    ? known
    : [...known, { value: now, label: p("who.unknown", { code: now }) }];
  return (
    <NativeSelect
      label={label}
      description={hint}
      required={required}
      disabled={disabled}
      data-testid={testid}
      data={data}
      value={now}
      onChange={({ currentTarget: { value: next } }) => change(next || null)}
    />
  );
}

function Remove({ label, act, disabled }: { label: string; act: () => void; disabled?: boolean }) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-label={label}
      title={label}
      onClick={act}
      disabled={disabled}
    >
      <CloseIcon />
    </ActionIcon>
  );
}

/** Who is told when nothing happens. */
export function Ladder({
  value,
  change,
  departments,
  disabled = false,
}: {
  value: readonly Rung[];
  change: (value: Rung[]) => void;
  departments: readonly Department[] | undefined;
  disabled?: boolean;
}) {
  const { p } = usePlanWords();
  const set = (at: number, rung: Partial<Rung>) =>
    change(value.map((one, index) => (index === at ? { at: one.at, to: one.to, ...rung } : one)));
  return (
    <Group title={p("step.escalate")} hint={p("ladder.hint")}>
      {value.map((rung, at) => {
        const after = rung.at !== "accept" && rung.at !== "due";
        return (
          <div key={at} className="rung">
            <NativeSelect
              label={p("ladder.when")}
              disabled={disabled}
              data={[
                { value: "accept", label: p("ladder.accept") },
                { value: "due", label: p("ladder.due") },
                { value: "after", label: p("ladder.after") },
              ]}
              value={after ? "after" : rung.at}
              onChange={({ currentTarget: { value: next } }) => set(at, { at: next === "after" ? "PT4H" : next })}
            />
            {after && (
              <LengthField
                label={p("ladder.length")}
                value={rung.at}
                disabled={disabled}
                change={(length) => set(at, { at: length ?? "PT1H" })}
              />
            )}
            <WhoField
              label={p("ladder.to")}
              roles
              disabled={disabled}
              departments={departments}
              value={rung.to}
              change={(to) => set(at, { to: to ?? "duty_officer" })}
            />
            {!disabled && (
              <Remove label={p("ladder.remove")} act={() => change(value.filter((_, index) => index !== at))} />
            )}
          </div>
        );
      })}
      {!disabled && (
        <Button
          variant="default"
          size="xs"
          data-testid="ladder-add"
          onClick={() => change([...value, { at: value.length === 0 ? "accept" : "due", to: "duty_officer" }])}
        >
          {p("ladder.add")}
        </Button>
      )}
    </Group>
  );
}

/** What the receipt must hold: photos, words, a place, a form with its questions. */
export function EvidenceParts({
  value,
  change,
  disabled = false,
}: {
  value: readonly AskedEvidence[];
  change: (value: AskedEvidence[]) => void;
  disabled?: boolean;
}) {
  const { p } = usePlanWords();
  const of = (kind: EvidenceKind) => value.find((one) => one.kind === kind);
  const put = (kind: EvidenceKind, asked: AskedEvidence | null) =>
    change(
      EVIDENCE.flatMap((one) => {
        const kept = one === kind ? asked : (of(one) ?? null);
        return kept === null ? [] : [kept];
      }),
    );
  const form = of("form");
  return (
    <Group title={p("step.evidence")} hint={p("evidence.hint")}>
      {EVIDENCE.map((kind) => {
        const asked = of(kind);
        return (
          <div key={kind} className="line">
            <Checkbox
              label={p(`evidence.${kind}`)}
              disabled={disabled}
              data-testid={`evidence-${kind}`}
              checked={asked !== undefined}
              onChange={({ currentTarget: { checked } }) => put(kind, checked ? { kind, min: 1 } : null)}
            />
            {kind === "photo" && asked !== undefined && (
              <NumberInput
                aria-label={p("evidence.photos")}
                min={1}
                max={20}
                size="xs"
                w={72}
                disabled={disabled}
                value={asked.min ?? 1}
                onChange={(least) => put("photo", { ...asked, min: Math.max(1, Number(least) || 1) })}
              />
            )}
          </div>
        );
      })}
      {form !== undefined && (
        <FormFields
          value={form.schema ?? null}
          disabled={disabled}
          change={(schema) => put("form", schema === null ? { kind: "form", min: 1 } : { ...form, schema })}
        />
      )}
    </Group>
  );
}

const FIELD_KINDS = ["string", "number", "integer", "boolean", "enum"] as const;
type FieldKind = (typeof FIELD_KINDS)[number];

/** The questions of a receipt's form, kept as a JSON Schema that nobody has to see. */
function FormFields({
  value,
  change,
  disabled,
}: {
  value: FormSchema | null;
  change: (value: FormSchema | null) => void;
  disabled: boolean;
}) {
  const { p } = usePlanWords();
  const fields = Object.entries(value?.properties ?? {});
  const required = new Set(value?.required ?? []);
  const put = (next: [string, Record<string, unknown>][], must: ReadonlySet<string>) =>
    change(
      next.length === 0
        ? null
        : {
            ...value,
            type: "object",
            properties: Object.fromEntries(next),
            ...(must.size > 0
              ? { required: next.map(([name]) => name).filter((name) => must.has(name)) }
              : { required: [] }),
          },
    );
  const set = (at: number, change: Record<string, unknown>) =>
    put(
      fields.map(([name, field], index) => [name, index === at ? { ...field, ...change } : field]),
      required,
    );
  const fresh = () => {
    let number = fields.length + 1;
    while (fields.some(([name]) => name === `field_${number}`)) number += 1;
    return `field_${number}`;
  };
  return (
    <div className="stack">
      <strong>{p("form.title")}</strong>
      {fields.length === 0 && <span className="quiet">{p("form.none")}</span>}
      {fields.map(([name, field], at) => {
        const kind: FieldKind = field.enum
          ? "enum"
          : ((FIELD_KINDS.find((one) => one === field.type) ?? "string") as FieldKind);
        return (
          <div key={at} className="question">
            <TextInput
              label={p("form.question")}
              disabled={disabled}
              value={typeof field.title === "string" ? field.title : ""}
              onChange={(event) => set(at, { title: event.currentTarget.value })}
            />
            <TextInput
              label={p("form.name")}
              description={p("form.nameHint")}
              disabled={disabled}
              value={name}
              onChange={({ currentTarget: { value: typed } }) => {
                const next = typed.replace(/[^A-Za-z0-9_]/g, "_");
                if (next === "" || fields.some(([other], index) => other === next && index !== at)) return;
                const must = new Set([...required].map((one) => (one === name ? next : one)));
                put(
                  fields.map(([old, one], index) => [index === at ? next : old, one]),
                  must,
                );
              }}
            />
            <NativeSelect
              label={p("form.kind")}
              disabled={disabled}
              data={FIELD_KINDS.map((one) => ({ value: one, label: p(`form.${one}`) }))}
              value={kind}
              onChange={({ currentTarget: { value: next } }) => {
                const { enum: _, type: __, ...rest } = field;
                put(
                  fields.map(([old, one], index) => [
                    old,
                    index === at
                      ? next === "enum"
                        ? { ...rest, type: "string", enum: [p("form.firstChoice")] }
                        : { ...rest, type: next }
                      : one,
                  ]),
                  required,
                );
              }}
            />
            {kind === "enum" && (
              <TextInput
                label={p("form.choices")}
                description={p("form.choicesHint")}
                disabled={disabled}
                defaultValue={(field.enum ?? []).join("，")}
                onBlur={(event) => {
                  const choices = event.currentTarget.value
                    .split(/[,，、;；]/)
                    .map((one) => one.trim())
                    .filter(Boolean);
                  if (choices.length > 0) set(at, { enum: [...new Set(choices)] });
                }}
              />
            )}
            <div className="line">
              <Checkbox
                label={p("form.must")}
                disabled={disabled}
                checked={required.has(name)}
                onChange={({ currentTarget: { checked } }) => {
                  const must = new Set(required);
                  if (checked) must.add(name);
                  else must.delete(name);
                  put(fields, must);
                }}
              />
              {!disabled && (
                <Remove
                  label={p("form.remove")}
                  act={() =>
                    put(
                      fields.filter((_, index) => index !== at),
                      new Set([...required].filter((one) => one !== name)),
                    )
                  }
                />
              )}
            </div>
          </div>
        );
      })}
      {!disabled && (
        <Button
          variant="default"
          size="xs"
          data-testid="form-add"
          onClick={() => put([...fields, [fresh(), { type: "string", title: "" }]], required)}
        >
          {p("form.add")}
        </Button>
      )}
    </div>
  );
}

export interface Variable {
  name: string;
  /** What it may be; names set on the way have no known type. */
  kind: "level" | "yesno" | "number" | "text" | "any";
}

const COMPARES: Record<Variable["kind"], Comparison[]> = {
  level: ["<=", "==", ">=", "!="],
  yesno: ["=="],
  number: ["==", "!=", "<", "<=", ">", ">="],
  text: ["==", "!=", "in", "not in"],
  any: ["==", "!=", "<", "<=", ">", ">="],
};

/** A condition put together from choices; one that is richer than that is edited as it is written. */
export function ConditionField({
  label,
  hint,
  value,
  change,
  variables,
  disabled = false,
}: {
  label: string;
  hint?: string;
  value: string | null | undefined;
  change: (value: string | null) => void;
  variables: readonly Variable[];
  disabled?: boolean;
}) {
  const words = usePlanWords();
  const { t, p } = words;
  const rows = rowsOf(value);
  const kindOf = (name: string): Variable["kind"] => variables.find((one) => one.name === name)?.kind ?? "any";
  const set = (next: Row[]) => change(written(next));
  const put = (at: number, row: Partial<Row>) =>
    set((rows ?? []).map((one, index) => (index === at ? { ...one, ...row } : one)));
  const fresh = (name: string): Row => {
    const kind = kindOf(name);
    return kind === "level"
      ? { name, compare: "<=", value: 2 }
      : kind === "number"
        ? { name, compare: ">=", value: 1 }
        : kind === "text"
          ? { name, compare: "==", value: "" }
          : { name, compare: "==", value: true };
  };
  if (rows === null)
    return (
      <Group title={label} hint={p("condition.written")}>
        <Textarea
          aria-label={label}
          className="code"
          autosize
          minRows={2}
          disabled={disabled}
          value={value ?? ""}
          onChange={(event) => change(event.currentTarget.value || null)}
        />
      </Group>
    );
  return (
    <Group title={label} hint={rows.length === 0 ? hint : undefined}>
      {rows.map((row, at) => {
        const kind = kindOf(row.name);
        const yesno = typeof row.value === "boolean";
        const list = Array.isArray(row.value);
        const names = variables.some(({ name }) => name === row.name)
          ? variables
          : [...variables, { name: row.name, kind: "any" as const }];
        return (
          <div key={at} className="rung">
            <NativeSelect
              label={p("condition.what")}
              disabled={disabled}
              data={names.map(({ name }) => ({ value: name, label: variableWord(name, p) }))}
              value={row.name}
              onChange={({ currentTarget: { value: name } }) =>
                set(rows.map((one, index) => (index === at ? fresh(name) : one)))
              }
            />
            {!yesno && (
              <NativeSelect
                label={p("condition.compare")}
                disabled={disabled}
                data={(COMPARES[kind].includes(row.compare) ? COMPARES[kind] : [...COMPARES[kind], row.compare]).map(
                  (one) => ({
                    value: one,
                    label: kind === "level" ? p(`compareLevel.${one}` as "compareLevel.==") : p(`compareWord.${one}`),
                  }),
                )}
                value={row.compare}
                onChange={({ currentTarget: { value: next } }) => {
                  const compare = next as Comparison;
                  const many = compare === "in" || compare === "not in";
                  const now = Array.isArray(row.value) ? row.value : [row.value];
                  put(at, { compare, value: many ? now : (now[0] ?? "") });
                }}
              />
            )}
            {kind === "level" && !list ? (
              <NativeSelect
                label={p("condition.value")}
                disabled={disabled}
                data={(["red", "orange", "yellow", "blue"] as const).map((one, index) => ({
                  value: String(index + 1),
                  label: t(`severity.${one}`),
                }))}
                value={String(row.value)}
                onChange={({ currentTarget: { value: next } }) => put(at, { value: Number(next) })}
              />
            ) : yesno ? (
              <NativeSelect
                label={p("condition.value")}
                disabled={disabled}
                data={[
                  { value: "true", label: t("yes") },
                  { value: "false", label: t("no") },
                ]}
                value={String(row.value)}
                onChange={({ currentTarget: { value: next } }) => put(at, { value: next === "true" })}
              />
            ) : (
              <TextInput
                label={p("condition.value")}
                description={list ? p("form.choicesHint") : undefined}
                disabled={disabled}
                key={`${row.name}${row.compare}`}
                defaultValue={Array.isArray(row.value) ? row.value.join("，") : String(row.value)}
                onBlur={({ currentTarget: { value: typed } }) =>
                  put(at, {
                    value: list
                      ? typed.split(/[,，、]/).map((one) => plain(one.trim(), kind))
                      : plain(typed.trim(), kind),
                  })
                }
              />
            )}
            {!disabled && (
              <Remove label={p("condition.remove")} act={() => set(rows.filter((_, index) => index !== at))} />
            )}
          </div>
        );
      })}
      {value && <span className="quiet">{p("condition.reads", { condition: words.condition(value) })}</span>}
      {!disabled && (
        <Button
          variant="default"
          size="xs"
          data-testid="condition-add"
          onClick={() => set([...rows, fresh(variables[0]?.name ?? "level")])}
        >
          {p(rows.length === 0 ? "condition.add" : "condition.and")}
        </Button>
      )}
    </Group>
  );
}

/** "3" typed for a number is a number, for a text it stays what was typed. */
const plain = (typed: string, kind: Variable["kind"]): Plain =>
  kind !== "text" && typed !== "" && !Number.isNaN(Number(typed)) ? Number(typed) : typed;

export const variableWord = (name: string, p: ReturnType<typeof usePlanWords>["p"]): string =>
  name === "level" ? p("when.level") : name === "kind" ? p("when.kind") : name;
