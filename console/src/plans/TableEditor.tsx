/**
 * A decision table to fill in. It is kept as the text the city reads, and only what is changed changes in it, so that
 * remarks stay. What is more than one table, or comes from another tool, is edited as text.
 */

import { ActionIcon, Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { type RefObject, useMemo, useState } from "react";
import { type Document, isMap, parseDocument, stringify } from "yaml";
import type { Text } from "../api/types";
import { DateField } from "../ui/DateField";
import { CloseIcon } from "../ui/icons";
import { Panel } from "../ui/states";
import { HITS, isHit } from "./DecisionView";
import { BothLanguages, Group } from "./parts";
import type { ColumnType, DecisionBody, PlanProblem } from "./types";
import { usePlanWords } from "./words";

const KINDS = ["string", "number", "boolean", "date"] as const;

interface Column {
  name: string;
  type?: string;
  values?: unknown;
  label?: string;
  default?: unknown;
}

interface Rule {
  id?: string;
  asks: unknown[];
  gives: unknown[];
  note?: string;
}

/** A rule as it is written: an object whose field "then" is data, not a promise. */
const RESULT = "then";
const writtenRule = ({ id, asks, gives, note }: Rule) => ({
  ...(id ? { id } : {}),
  when: asks,
  [RESULT]: gives,
  ...(note ? { note } : {}),
});

export interface Flat {
  decision: string;
  version: string;
  title: Text;
  source?: Text | null;
  valid_from?: string | null;
  valid_until?: string | null;
  hit: string;
  inputs: Column[];
  outputs: Column[];
  rules: Rule[];
}

const day = (value: unknown): string | null =>
  value instanceof Date ? value.toISOString().slice(0, 10) : typeof value === "string" ? value : null;

function column(raw: unknown): Column {
  if (typeof raw !== "object" || raw === null) return { name: String(raw ?? "") };
  const given = raw as Partial<Column>;
  return { ...given, name: String(given.name ?? "") };
}

/** Cells by the name of their column, or as a list, or one alone: always as a list here. */
function cells(raw: unknown, names: readonly string[]): unknown[] {
  if (Array.isArray(raw)) return names.map((_, at) => raw[at] ?? "-");
  if (typeof raw === "object" && raw !== null)
    return names.map((name) => (raw as Record<string, unknown>)[name] ?? "-");
  return names.map((_, at) => (at === 0 ? (raw ?? "-") : "-"));
}

/** The one table of a text, or null when it is none that can be filled in here. */
export function flatOf(source: string): { document: Document; flat: Flat } | null {
  if (source.trimStart().startsWith("<")) return null;
  const document = parseDocument(source);
  if (document.errors.length > 0 || !isMap(document.contents)) return null;
  const raw = document.toJS({ maxAliasCount: 0 }) as Record<string, unknown>;
  if ("tables" in raw) return null;
  const inputs = (Array.isArray(raw.inputs) ? raw.inputs : []).map(column);
  const outputs = (Array.isArray(raw.outputs) ? raw.outputs : []).map(column);
  const names = inputs.map(({ name }) => name);
  const results = outputs.map(({ name }) => name);
  const rules = (Array.isArray(raw.rules) ? raw.rules : []).map((one): Rule => {
    const rule = (typeof one === "object" && one !== null ? one : {}) as {
      id?: unknown;
      when?: unknown;
      then?: unknown;
      note?: unknown;
    };
    return {
      ...(rule.id ? { id: String(rule.id) } : {}),
      asks: cells(rule.when, names),
      gives: cells(rule.then, results),
      ...(rule.note ? { note: String(rule.note) } : {}),
    };
  });
  const title = (raw.title ?? {}) as Text;
  return {
    document,
    flat: {
      decision: String(raw.decision ?? ""),
      version: String(raw.version ?? ""),
      title: { "zh-CN": title["zh-CN"] ?? "", en: title.en ?? "" },
      source: (raw.source as Text | undefined) ?? null,
      valid_from: day(raw.valid_from),
      valid_until: day(raw.valid_until),
      hit: String(raw.hit ?? "U"),
      inputs,
      outputs,
      rules,
    },
  };
}

/** The text with these fields changed; remarks at other places stay. */
export function changedText(document: Document, change: Partial<Flat>): string {
  const copy = document.clone() as Document;
  for (const [field, value] of Object.entries(change)) {
    if (value === null || value === undefined || value === "") copy.delete(field);
    else copy.set(field, copy.createNode(field === "rules" ? (value as Rule[]).map(writtenRule) : value));
  }
  return copy.toString({ lineWidth: 0 });
}

const baseOf = (type: ColumnType | undefined): string | undefined =>
  typeof type === "string" ? type : (type?.base ?? undefined);

/** A published table as the text a new version begins with; null when it is more than one table. */
export function textOf(body: DecisionBody): string | null {
  const [table, ...more] = body.tables;
  if (table === undefined || more.length > 0 || table.expression) return null;
  const asked = table.inputs ?? [];
  if (asked.some((one, at) => one.expression !== body.inputs[at]?.name)) return null;
  const bare = (cell: string) => {
    const word = cell.match(/^"([^"\\,<>=!()[\]?@-]+)"$/)?.[1];
    return word !== undefined && !["null", "true", "false"].includes(word) ? word : cell;
  };
  const typed = (type: ColumnType | undefined) => {
    const base = baseOf(type);
    const values = typeof type === "object" && type !== null ? type.values : undefined;
    return { ...(base ? { type: base } : {}), ...(values ? { values } : {}) };
  };
  const condition = (cell: string, base: string | undefined) =>
    base === "string" ? cell.split(/,\s*/).map(bare).join(", ") : /^-?\d+(\.\d+)?$/.test(cell) ? Number(cell) : cell;
  const result = (cell: string, base: string | undefined) => {
    if (/^-?\d+(\.\d+)?$/.test(cell)) return Number(cell);
    if (cell === "true" || cell === "false") return cell === "true";
    const quoted = cell.match(/^"((?:[^"\\]|\\.)*)"$/);
    if (quoted) return JSON.parse(cell) as string;
    return base === undefined || base === "string" ? `=${cell}` : cell;
  };
  return stringify(
    {
      decision: body.name,
      version: body.version,
      title: body.title,
      ...(body.source ? { source: body.source } : {}),
      ...(body.valid_from ? { valid_from: body.valid_from } : {}),
      ...(body.valid_until ? { valid_until: body.valid_until } : {}),
      hit: table.hit ?? "U",
      inputs: body.inputs.map((one, at) => ({
        name: one.name,
        ...typed(one.type),
        ...(asked[at]?.label ? { label: asked[at]?.label } : {}),
      })),
      outputs: (table.outputs ?? []).map((one) => ({
        name: one.name,
        ...typed(one.type),
        ...(one.values ? { values: one.values } : {}),
        ...(one.default ? { default: result(one.default, baseOf(one.type)) } : {}),
        ...(one.label ? { label: one.label } : {}),
      })),
      rules: (table.rules ?? []).map((rule) => ({
        id: rule.id,
        when: rule.when.map((cell, at) => condition(cell, baseOf(body.inputs[at]?.type))),
        [RESULT]: rule.then.map((cell, at) => result(cell, baseOf(table.outputs?.[at]?.type))),
        ...(rule.note ? { note: rule.note } : {}),
      })),
    },
    { lineWidth: 0 },
  );
}

export default function TableEditor({
  source,
  change,
  locked,
  problems,
  text,
}: {
  source: string;
  change: (source: string) => void;
  locked: boolean;
  problems: readonly PlanProblem[];
  text: RefObject<HTMLTextAreaElement | null>;
}) {
  const { p } = usePlanWords();
  const read = useMemo(() => flatOf(source), [source]);
  const [written, setWritten] = useState(false);
  const put = (next: Partial<Flat>) => read !== null && change(changedText(read.document, next));
  return (
    <>
      {read !== null && !written && <Filling flat={read.flat} put={put} locked={locked} problems={problems} />}
      {(read === null || written) && (
        <Panel
          title={p("draft.text")}
          aside={read === null ? <span className="quiet">{p("table.onlyText")}</span> : undefined}
        >
          <Textarea
            ref={text}
            className="code tall"
            aria-label={p("draft.text")}
            data-testid="draft-text"
            spellCheck={false}
            disabled={locked}
            value={source}
            onChange={(event) => change(event.currentTarget.value)}
          />
        </Panel>
      )}
      {read !== null && (
        <Button variant="default" size="xs" style={{ alignSelf: "flex-start" }} onClick={() => setWritten(!written)}>
          {p(written ? "table.asTable" : "table.asText")}
        </Button>
      )}
    </>
  );
}

function Filling({
  flat,
  put,
  locked,
  problems,
}: {
  flat: Flat;
  put: (change: Partial<Flat>) => void;
  locked: boolean;
  problems: readonly PlanProblem[];
}) {
  const { p } = usePlanWords();
  const wrong = (id: string) => problems.some(({ element, severity }) => element === id && severity !== "warning");
  const rule = (at: number, next: Partial<Rule>) =>
    put({ rules: flat.rules.map((one, index) => (index === at ? { ...one, ...next } : one)) });
  const columns = (side: "inputs" | "outputs", next: Column[], cellsOf: (row: unknown[]) => unknown[]) =>
    put({
      [side]: next,
      rules: flat.rules.map((one) =>
        side === "inputs" ? { ...one, asks: cellsOf(one.asks) } : { ...one, gives: cellsOf(one.gives) },
      ),
    });
  const move = (at: number, by: number) => {
    const rules = [...flat.rules];
    const [moved] = rules.splice(at, 1);
    if (moved) rules.splice(at + by, 0, moved);
    put({ rules });
  };
  return (
    <>
      <Panel title={p("table.about")}>
        <div className="body stack">
          <BothLanguages
            label={p("table.title")}
            required
            disabled={locked}
            value={flat.title}
            change={(title) => put({ title })}
          />
          <div className="both">
            <Saved
              label={p("table.name")}
              hint={p("table.nameHint")}
              locked={locked}
              value={flat.decision}
              save={(decision) => put({ decision })}
            />
            <Saved
              label={p("plan.version")}
              hint={p("plan.versionHint")}
              locked={locked}
              value={flat.version}
              save={(version) => put({ version })}
            />
          </div>
          <div className="both">
            <DateField
              label={p("plan.validFrom")}
              disabled={locked}
              value={flat.valid_from ?? ""}
              change={(value) => put({ valid_from: value })}
            />
            <DateField
              label={p("plan.validUntil")}
              disabled={locked}
              value={flat.valid_until ?? ""}
              change={(value) => put({ valid_until: value })}
            />
          </div>
          <NativeSelect
            label={p("table.hit")}
            disabled={locked}
            data={HITS.map((hit) => ({ value: hit, label: p(`hit.${hit}`) }))}
            value={isHit(flat.hit) ? flat.hit : "U"}
            onChange={(event) => put({ hit: event.currentTarget.value })}
          />
        </div>
      </Panel>
      <Panel title={p("table.rules")} aside={<span className="quiet">{p("cell.hint")}</span>}>
        <section className="flush" tabIndex={0} aria-label={p("table.rules")}>
          <table className="table decision editing" data-testid="rules">
            <thead>
              <tr>
                <th className="right">#</th>
                {flat.inputs.map((one, at) => (
                  <th key={at}>{one.label ?? one.name}</th>
                ))}
                {flat.outputs.map((one, at) => (
                  <th key={at} className="result">
                    {p("table.then", { name: one.label ?? one.name })}
                  </th>
                ))}
                <th>{p("table.note")}</th>
                {!locked && <th>{p("table.move")}</th>}
              </tr>
            </thead>
            <tbody>
              {flat.rules.map((one, at) => (
                <tr key={at} data-wrong={wrong(one.id ?? `rule-${at + 1}`)}>
                  <td className="right">{at + 1}</td>
                  {one.asks.map((cell, index) => (
                    <td key={index}>
                      <Cell
                        label={p("cell.label", {
                          n: at + 1,
                          name: flat.inputs[index]?.label ?? flat.inputs[index]?.name ?? "",
                        })}
                        value={cell}
                        locked={locked}
                        any
                        save={(value) => rule(at, { asks: one.asks.map((old, n) => (n === index ? value : old)) })}
                      />
                    </td>
                  ))}
                  {one.gives.map((cell, index) => (
                    <td key={index} className="result">
                      <Cell
                        label={p("cell.label", {
                          n: at + 1,
                          name: flat.outputs[index]?.label ?? flat.outputs[index]?.name ?? "",
                        })}
                        value={cell}
                        locked={locked}
                        save={(value) => rule(at, { gives: one.gives.map((old, n) => (n === index ? value : old)) })}
                      />
                    </td>
                  ))}
                  <td>
                    <Cell
                      label={p("cell.label", { n: at + 1, name: p("table.note") })}
                      value={one.note ?? ""}
                      locked={locked}
                      save={(note) => rule(at, { note: String(note) || undefined })}
                    />
                  </td>
                  {!locked && (
                    <td style={{ whiteSpace: "nowrap" }}>
                      <button
                        type="button"
                        className="plain move"
                        aria-label={p("table.up", { n: at + 1 })}
                        disabled={at === 0}
                        onClick={() => move(at, -1)}
                      >
                        ↑
                      </button>
                      <button
                        type="button"
                        className="plain move"
                        aria-label={p("table.down", { n: at + 1 })}
                        disabled={at === flat.rules.length - 1}
                        onClick={() => move(at, 1)}
                      >
                        ↓
                      </button>
                      <button
                        type="button"
                        className="plain move"
                        aria-label={p("table.removeRule", { n: at + 1 })}
                        onClick={() => put({ rules: flat.rules.filter((_, index) => index !== at) })}
                      >
                        ✕
                      </button>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
          {!locked && (
            <div className="body">
              <Button
                variant="default"
                size="xs"
                data-testid="rule-add"
                onClick={() =>
                  put({
                    rules: [...flat.rules, { asks: flat.inputs.map(() => "-"), gives: flat.outputs.map(() => "") }],
                  })
                }
              >
                {p("table.addRule")}
              </Button>
            </div>
          )}
        </section>
      </Panel>
      <Group title={p("cell.help")}>
        <ul className="quiet hints">
          {(["any", "one", "several", "compare", "between", "not", "formula"] as const).map((one) => (
            <li key={one}>{p(`cellHelp.${one}`)}</li>
          ))}
        </ul>
      </Group>
      {(["inputs", "outputs"] as const).map((side) => (
        <Panel key={side} title={p(`table.${side}`)} aside={<span className="quiet">{p(`table.${side}Hint`)}</span>}>
          <div className="body stack">
            {flat[side].map((one, at) => (
              <div key={at} className="rung">
                <Saved
                  label={p("table.column")}
                  locked={locked}
                  value={one.name}
                  save={(name) =>
                    put({
                      [side]: flat[side].map((old, index) => (index === at ? { ...old, name: name.trim() } : old)),
                    })
                  }
                />
                <Saved
                  label={p("table.label")}
                  locked={locked}
                  value={one.label ?? ""}
                  save={(label) =>
                    put({
                      [side]: flat[side].map((old, index) => {
                        if (index !== at) return old;
                        const { label: _, ...rest } = old;
                        return label === "" ? rest : { ...rest, label };
                      }),
                    })
                  }
                />
                <NativeSelect
                  label={p("form.kind")}
                  disabled={locked}
                  data={KINDS.map((kind) => ({ value: kind, label: p(`kind.${kind}`) }))}
                  value={typeof one.type === "string" ? one.type : "string"}
                  onChange={({ currentTarget: { value: type } }) =>
                    put({ [side]: flat[side].map((old, index) => (index === at ? { ...old, type } : old)) })
                  }
                />
                {!locked && flat[side].length > 1 && (
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size="lg"
                    aria-label={p("table.removeColumn", { name: one.label ?? one.name })}
                    onClick={() =>
                      columns(
                        side,
                        flat[side].filter((_, index) => index !== at),
                        (row) => row.filter((_, index) => index !== at),
                      )
                    }
                  >
                    <CloseIcon />
                  </ActionIcon>
                )}
              </div>
            ))}
            {!locked && (
              <Button
                variant="default"
                size="xs"
                style={{ alignSelf: "flex-start" }}
                onClick={() =>
                  columns(side, [...flat[side], { name: fresh(flat, side), type: "string" }], (row) => [
                    ...row,
                    side === "inputs" ? "-" : "",
                  ])
                }
              >
                {p(`table.${side}Add`)}
              </Button>
            )}
          </div>
        </Panel>
      ))}
    </>
  );
}

function fresh(flat: Flat, side: "inputs" | "outputs"): string {
  const stem = side === "inputs" ? "question" : "result";
  let number = flat[side].length + 1;
  while ([...flat.inputs, ...flat.outputs].some(({ name }) => name === `${stem}${number}`)) number += 1;
  return `${stem}${number}`;
}

/** A field whose text counts when one leaves it. */
function Saved({
  label,
  hint,
  value,
  save,
  locked,
}: {
  label: string;
  hint?: string;
  value: string;
  save: (value: string) => void;
  locked: boolean;
}) {
  return (
    <TextInput
      key={value}
      label={label}
      description={hint}
      disabled={locked}
      defaultValue={value}
      onBlur={({ currentTarget: { value: typed } }) => typed !== value && save(typed)}
    />
  );
}

const shownCell = (value: unknown): string =>
  Array.isArray(value)
    ? value.map(shownCell).join(", ")
    : value instanceof Date
      ? value.toISOString().slice(0, 10)
      : String(value ?? "");

function Cell({
  label,
  value,
  save,
  locked,
  any = false,
}: {
  label: string;
  value: unknown;
  save: (value: unknown) => void;
  locked: boolean;
  any?: boolean;
}) {
  const shown = shownCell(value);
  return (
    <input
      key={shown}
      className="cell"
      aria-label={label}
      disabled={locked}
      defaultValue={any && shown === "-" ? "" : shown}
      placeholder={any ? "—" : undefined}
      onBlur={({ currentTarget: { value: typed } }) => {
        const next = typed.trim() === "" && any ? "-" : typed.trim();
        if (next !== shown)
          save(/^-?\d+(\.\d+)?$/.test(next) ? Number(next) : next === "true" ? true : next === "false" ? false : next);
      }}
    />
  );
}
