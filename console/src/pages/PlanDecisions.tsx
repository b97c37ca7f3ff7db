/** Decision tables: all of them, and one to read and to try. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation, useParams } from "wouter";
import { post } from "../api/client";
import { useMay } from "../api/queries";
import { DecisionView } from "../plans/DecisionView";
import { useNamed } from "../plans/named";
import { createDraft, useTable, useTables, words } from "../plans/queries";
import { PlanTabs, usePersonWords, Validity } from "../plans/shared";
import type { DecisionDetail, DecisionInput, Outcome } from "../plans/types";
import { nextVersion } from "../plans/version";
import { usePlanWords } from "../plans/words";
import { Table } from "../ui/Table";
import "../plans/plans.css";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";

export default function PlanDecisions() {
  const { digest } = useParams<{ digest?: string }>();
  return digest === undefined ? <Tables /> : <OneDecision key={digest} digest={digest} />;
}

function Tables() {
  const { p, say } = usePlanWords();
  const tables = useTables();
  return (
    <div className="page plans">
      <div className="head">
        <h1>{p("tables.title")}</h1>
      </div>
      <PlanTabs at="decisions" />
      <Panel title={p("tables.title")} aside={<span className="quiet">{p("tables.what")}</span>}>
        <Shown of={tables} lines={4}>
          {(items) =>
            items.length === 0 ? (
              <Empty title={p("tables.none")}>{p("tables.noneWhy")}</Empty>
            ) : (
              <section className="flush" tabIndex={0} aria-label={p("tables.title")}>
                <Table>
                  <thead>
                    <tr>
                      <th>{p("tables.table")}</th>
                      <th>{p("library.version")}</th>
                      <th>{p("library.valid")}</th>
                      <th>{p("library.publishedAt")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((table) => (
                      <tr key={table.digest} data-testid="table-row">
                        <td className="wide">
                          <Link href={`/plans/decisions/${table.digest}`}>{say(table.title)}</Link>
                          <div className="quiet mono">{table.name}</div>
                        </td>
                        <td>
                          {table.version} {table.in_force && <span className="tag">{p("library.inForce")}</span>}
                        </td>
                        <td>
                          <Validity from={table.valid_from} until={table.valid_until} />
                        </td>
                        <td>
                          <Moment at={table.published_at} />
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </Table>
              </section>
            )
          }
        </Shown>
      </Panel>
    </div>
  );
}

function OneDecision({ digest }: { digest: string }) {
  const table = useTable(digest);
  if (table.data === undefined)
    return (
      <div className="page">
        <Panel>
          {table.error ? <Failure error={table.error} retry={() => void table.refetch()} /> : <Loading lines={8} />}
        </Panel>
      </div>
    );
  return <Decided table={table.data} />;
}

function Decided({ table }: { table: DecisionDetail }) {
  const { p, say } = usePlanWords();
  const who = usePersonWords();
  const [matched, setMatched] = useState<readonly string[]>([]);
  return (
    <div className="page plans">
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/plans/decisions">{p("tables.title")}</Link> / {table.name}
          </div>
          <h1>
            {say(table.title)}{" "}
            <span className="tag" data-tone={table.in_force ? "accent" : undefined}>
              {p(table.in_force ? "library.inForce" : "library.notInForce")}
            </span>
          </h1>
          <div className="quiet line">
            <span>{p("plan.versionIs", { version: table.version })}</span>
            <Validity from={table.valid_from} until={table.valid_until} />
            {table.published_by && <span>{who(table.published_by)}</span>}
            <span className="mono" title={table.digest}>
              {p("plan.seal", { digest: table.digest.slice(0, 12) })}
            </span>
          </div>
          {table.decision.source && <div className="quiet">{say(table.decision.source)}</div>}
        </div>
        <NewVersion table={table} />
      </div>
      <div className="columns">
        <Panel title={p("table.rules")}>
          <DecisionView body={table.decision} matched={matched} />
        </Panel>
        <Try table={table} found={setMatched} />
      </div>
    </div>
  );
}

/** A draft that begins with this table: to be filled in where it is one table, else as the file of other tools. */
function NewVersion({ table }: { table: DecisionDetail }) {
  const { p } = usePlanWords();
  const mayDraft = useMay("plan.draft");
  const [, go] = useLocation();
  const tell = useTell();
  const tables = useTables().data;
  const begin = useMutation({
    mutationFn: async () => {
      const { textOf } = await import("../plans/TableEditor");
      const path = `/api/decisions/${encodeURIComponent(table.digest)}/dmn`;
      const taken = (tables ?? []).filter(({ name }) => name === table.name).map(({ version }) => version);
      const next = { ...table.decision, version: nextVersion(table.version, taken) };
      return createDraft("dmn", textOf(next) ?? (await words(path)));
    },
    onSuccess: (draft) => go(`/plans/drafts/${draft.id}`),
    onError: tell.failed,
  });
  if (!mayDraft) return null;
  return (
    <Button variant="default" data-testid="new-version" loading={begin.isPending} onClick={() => begin.mutate()}>
      {p("plan.newVersion")}
    </Button>
  );
}

const baseOf = ({ type }: DecisionInput) => (typeof type === "string" ? type : type?.base) ?? "string";

/** The values a column allows, when they are a list of words or numbers. */
function choices({ type }: DecisionInput): string[] {
  const values = typeof type === "object" && type !== null ? type.values : undefined;
  if (typeof values !== "string") return [];
  const parts = values.split(/,\s*/).map((one) => one.trim());
  return parts.every((one) => /^("[^"]*"|-?\d+(\.\d+)?)$/.test(one))
    ? parts.map((one) => one.replace(/^"|"$/g, ""))
    : [];
}

/** What the table would say now; nothing is changed by asking. */
function Try({ table, found }: { table: DecisionDetail; found: (rules: readonly string[]) => void }) {
  const { p, t, say } = usePlanWords();
  const [values, setValues] = useState<Record<string, string>>({});
  const ask = useMutation({
    mutationFn: (inputs: Record<string, unknown>) =>
      post<Outcome>(`/api/decisions/${encodeURIComponent(table.digest)}/try`, { inputs }),
    onSuccess: (outcome) => found(outcome.matched),
  });
  const set = (name: string, value: string) => setValues({ ...values, [name]: value });
  const named = useNamed();
  const labelOf = (input: DecisionInput) =>
    named.title(input.name) ??
    input.label ??
    table.decision.tables.flatMap(({ inputs = [] }) => inputs).find(({ expression }) => expression === input.name)
      ?.label ??
    input.name;
  return (
    <Panel title={p("try.title")} aside={<span className="quiet">{p("try.what")}</span>}>
      <form
        className="body stack"
        data-testid="try"
        onSubmit={(event) => {
          event.preventDefault();
          const inputs: Record<string, unknown> = {};
          for (const input of table.decision.inputs) {
            const typed = values[input.name];
            if (typed === undefined || typed === "") continue;
            const base = baseOf(input);
            inputs[input.name] = base === "number" ? Number(typed) : base === "boolean" ? typed === "true" : typed;
          }
          ask.mutate(inputs);
        }}
      >
        {table.decision.inputs.map((input) => {
          const base = baseOf(input);
          const given = choices(input);
          const common = { label: labelOf(input), "data-testid": `try-${input.name}`, value: values[input.name] ?? "" };
          if (base === "boolean" || given.length > 0)
            return (
              <NativeSelect
                key={input.id}
                {...common}
                data={[
                  { value: "", label: "—" },
                  ...(base === "boolean"
                    ? [
                        { value: "true", label: t("yes") },
                        { value: "false", label: t("no") },
                      ]
                    : given.map((one) => ({ value: one, label: named.words(input.name, one) ?? one }))),
                ]}
                onChange={(event) => set(input.name, event.currentTarget.value)}
              />
            );
          return (
            <TextInput
              key={input.id}
              {...common}
              type={base === "number" ? "number" : base === "date" ? "date" : "text"}
              step={base === "number" ? "any" : undefined}
              onChange={(event) => set(input.name, event.currentTarget.value)}
            />
          );
        })}
        <Button type="submit" loading={ask.isPending} data-testid="try-ask">
          {p("try.ask")}
        </Button>
        {ask.error !== null && <Failure error={ask.error} />}
        {ask.data !== undefined && (
          <div role="status" data-testid="try-outcome">
            {ask.data.matched.length === 0 && <strong>{p("try.nothing")}</strong>}
            <dl className="pairs">
              {Object.entries(ask.data.outputs).map(([name, value]) => (
                <Pair key={name} name={name} value={value} />
              ))}
            </dl>
            {ask.data.matched.length > 0 && (
              <span className="quiet">
                {p("try.because", { rules: ask.data.matched.map((id) => ruleNumber(table, id)).join(t("listComma")) })}
              </span>
            )}
            {(ask.data.problems ?? []).map((problem, at) => (
              <div key={at} className="late">
                {say(problem.detail)}
              </div>
            ))}
          </div>
        )}
      </form>
    </Panel>
  );
}

function Pair({ name, value }: { name: string; value: unknown }) {
  const named = useNamed();
  return (
    <>
      <dt title={name}>{named.title(name) ?? name}</dt>
      <dd>
        <strong>
          {value === null || value === undefined
            ? "—"
            : typeof value === "object"
              ? JSON.stringify(value)
              : named.shown(name, String(value))}
        </strong>
      </dd>
    </>
  );
}

/** Rules are counted from one, as in the table. */
function ruleNumber(table: DecisionDetail, id: string): string {
  for (const { rules = [] } of table.decision.tables) {
    const at = rules.findIndex((rule) => rule.id === id);
    if (at >= 0) return String(at + 1);
  }
  return id;
}
