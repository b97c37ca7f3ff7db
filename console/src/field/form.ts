/** Forms of receipts as JSON Schema: their fields, and what is wrong with a filled one, said as the city says it. */

import type { EvidenceAsked, Language, Text } from "../api/types";

export type Schema = Record<string, unknown>;
export type Values = Record<string, unknown>;

export interface Field {
  name: string;
  schema: Schema;
  required: boolean;
  title: Text | string;
  description: Text | string | null;
}

export interface Mistake {
  /** Path to the value: a/b/0. */
  field: string;
  message: Text;
}

/** What a form holds where the plan does not say. */
const PLAIN: Schema = {
  type: "object",
  properties: {
    summary: { type: "string", maxLength: 2000, title: { "zh-CN": "措施概述", en: "Summary of measures" } },
    count: { type: "integer", minimum: 0, title: { "zh-CN": "涉及点位数", en: "Sites concerned" } },
  },
  required: ["summary"],
};

/** The form that a task asks for, or null when it asks for none. */
export function formAsked(evidence: readonly EvidenceAsked[]): Schema | null {
  const asked = evidence.find(({ kind }) => kind === "form");
  return asked === undefined ? null : (asked.schema ?? PLAIN);
}

const words = (said: unknown): Text | string | null =>
  typeof said === "string" || (typeof said === "object" && said !== null) ? (said as Text | string) : null;

export const typeOf = ({ type, enum: choices, const: only }: Schema): string => {
  const kinds = (Array.isArray(type) ? type : [type]).filter((kind) => kind !== "null");
  if (typeof kinds[0] === "string") return kinds[0];
  const sample = Array.isArray(choices) ? choices[0] : only;
  return typeof sample === "number" ? "number" : typeof sample === "boolean" ? "boolean" : "string";
};

export function fieldsOf(schema: Schema): Field[] {
  // Of the fields' order only that of the required ones is kept by the city: they come first.
  const required = new Map(((schema.required ?? []) as string[]).map((name, at) => [name, at]));
  return Object.entries((schema.properties ?? {}) as Record<string, Schema | boolean>)
    .filter((entry): entry is [string, Schema] => typeof entry[1] === "object")
    .map(([name, part]) => ({
      name,
      schema: part,
      required: required.has(name),
      title: words(part.title) ?? name,
      description: words(part.description),
    }))
    .sort((a, b) => (required.get(a.name) ?? required.size) - (required.get(b.name) ?? required.size));
}

/** The form without what was left empty: nothing is not a value. */
export function filled(values: Values): Values {
  const kept = Object.entries(values).flatMap(([name, value]): [string, unknown][] => {
    if (value === undefined || value === null || value === "") return [];
    if (Array.isArray(value)) {
      const items = value.filter((one) => one !== "" && one !== null && one !== undefined);
      return items.length === 0 ? [] : [[name, items]];
    }
    if (typeof value === "object") {
      const inner = filled(value as Values);
      return Object.keys(inner).length === 0 ? [] : [[name, inner]];
    }
    return [[name, value]];
  });
  return Object.fromEntries(kept);
}

const say = (zh: string, en: string): Text => ({ "zh-CN": zh, en });
const KINDS: Record<string, Text> = {
  string: say("文字", "a text"),
  integer: say("整数", "a whole number"),
  number: say("数字", "a number"),
  boolean: say("是或否", "yes or no"),
  array: say("列表", "a list"),
  object: say("一组字段", "a group of fields"),
};

/** What is wrong with the form, before the city is asked; the city looks again. Patterns are left to the city. */
export function mistakes(schema: Schema, form: Values): Mistake[] {
  const found: Mistake[] = [];
  check(schema, form, "", found);
  return found;
}

function check(schema: Schema, value: unknown, path: string, found: Mistake[]): void {
  const wrong = (zh: string, en: string) => found.push({ field: path, message: say(zh, en) });
  const kind = typeOf(schema);
  if (!fits(kind, value)) {
    const { "zh-CN": zh, en } = KINDS[kind] ?? say(kind, kind);
    wrong(`应为${zh}`, `must be ${en}`);
    return;
  }
  const choices = Array.isArray(schema.enum) ? schema.enum : "const" in schema ? [schema.const] : null;
  if (choices !== null && !choices.some((one) => JSON.stringify(one) === JSON.stringify(value))) {
    const listed = choices.slice(0, 20).join(", ");
    wrong(`应为以下之一：${listed}`, `must be one of: ${listed}`);
  }
  const limit = (name: string) => (typeof schema[name] === "number" ? (schema[name] as number) : null);
  if (typeof value === "number") {
    const [least, most, above, below] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].map(limit);
    if (least != null && value < least) wrong(`不得小于 ${least}`, `must not be less than ${least}`);
    if (most != null && value > most) wrong(`不得大于 ${most}`, `must not be more than ${most}`);
    if (above != null && value <= above) wrong(`应大于 ${above}`, `must be more than ${above}`);
    if (below != null && value >= below) wrong(`应小于 ${below}`, `must be less than ${below}`);
  }
  if (typeof value === "string") {
    const length = [...value].length;
    const [least, most] = ["minLength", "maxLength"].map(limit);
    if (least != null && length < least) wrong(`至少 ${least} 个字`, `must have at least ${least} characters`);
    if (most != null && length > most) wrong(`至多 ${most} 个字`, `must have at most ${most} characters`);
  }
  if (Array.isArray(value)) {
    const [least, most] = ["minItems", "maxItems"].map(limit);
    if (least != null && value.length < least) wrong(`至少 ${least} 项`, `must have at least ${least} items`);
    if (most != null && value.length > most) wrong(`至多 ${most} 项`, `must have at most ${most} items`);
    if (schema.uniqueItems === true && new Set(value.map((one) => JSON.stringify(one))).size < value.length)
      wrong("各项不得重复", "must not have the same item twice");
    if (typeof schema.items === "object" && schema.items !== null)
      for (const [index, one] of value.entries()) check(schema.items as Schema, one, join(path, String(index)), found);
  } else if (kind === "object") {
    const values = value as Values;
    for (const field of fieldsOf(schema)) {
      if (values[field.name] !== undefined) check(field.schema, values[field.name], join(path, field.name), found);
      else if (field.required) found.push({ field: join(path, field.name), message: say("必填", "is needed") });
    }
  }
}

const join = (path: string, name: string) => (path === "" ? name : `${path}/${name}`);

function fits(kind: string, value: unknown): boolean {
  if (kind === "integer") return Number.isInteger(value);
  if (kind === "number") return typeof value === "number" && Number.isFinite(value);
  if (kind === "array") return Array.isArray(value);
  if (kind === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === kind;
}

/** A receipt's form as it is read again: the fields' titles where the form still has them. */
export function shownPairs(
  schema: Schema | null,
  form: Record<string, unknown>,
  language: Language,
): { name: string; title: Text | string; value: string }[] {
  const fields = new Map(fieldsOf(schema ?? PLAIN).map((field) => [field.name, field]));
  return Object.entries(form).map(([name, value]) => ({
    name,
    title: fields.get(name)?.title ?? name,
    value: spoken(value, language),
  }));
}

function spoken(value: unknown, language: Language): string {
  if (value === true) return language === "en" ? "yes" : "是";
  if (value === false) return language === "en" ? "no" : "否";
  if (Array.isArray(value)) return value.map((one) => spoken(one, language)).join(language === "en" ? ", " : "、");
  if (typeof value === "object" && value !== null)
    return Object.entries(value)
      .map(([name, one]) => `${name}: ${spoken(one, language)}`)
      .join("; ");
  return String(value ?? "—");
}
