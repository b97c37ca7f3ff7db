/** A decision table to read: what it asks, what follows, which rule counts when several fit. */

import { Fragment } from "react";
import { useNamed } from "./named";
import type { DecisionBody, DecisionTable } from "./types";
import { type PlanKey, usePlanWords } from "./words";

export const HITS = ["U", "A", "P", "F", "R", "O", "C", "C+", "C#", "C<", "C>"] as const;
export type Hit = (typeof HITS)[number];

export const isHit = (hit: string | undefined): hit is Hit => HITS.includes(hit as Hit);

/** Cells as a person says them; what is not simple stays as it is written. */
export function cellWords(cell: string, p: (key: PlanKey, values?: Record<string, string>) => string): string {
  const said = cell.trim();
  if (said === "-" || said === "") return p("cell.any");
  const parts = said.split(/,\s*/);
  const word = (part: string): string | null => {
    const quoted = part.match(/^"([^"]*)"$/);
    if (quoted) return quoted[1] ?? "";
    if (part === "true") return p("cell.true");
    if (part === "false") return p("cell.false");
    if (/^-?\d+(\.\d+)?$/.test(part)) return part;
    const compared = part.match(/^(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)$/);
    if (compared) return p(`cell.${compared[1] as "<="}`, { value: compared[2] ?? "" });
    const between = part.match(/^([[\]()])\s*(-?\d+(?:\.\d+)?)\s*\.\.\s*(-?\d+(?:\.\d+)?)\s*([[\]()])$/);
    if (between) {
      const open = between[1] !== "[";
      const shut = between[4] !== "]";
      return p(open ? (shut ? "cell.betweenOpen" : "cell.betweenLeft") : shut ? "cell.betweenRight" : "cell.between", {
        from: between[2] ?? "",
        to: between[3] ?? "",
      });
    }
    return null;
  };
  const words = parts.map(word);
  return words.some((one) => one === null) ? said : words.join(p("cell.or"));
}

/** A cell: values that the city knows as a person reads them, else the cell in words. */
function Said({ name, cell }: { name: string; cell: string }) {
  const { p } = usePlanWords();
  const named = useNamed();
  const values = cell.split(/,\s*/).map((one) => one.trim().replace(/^"(.*)"$/, "$1"));
  if (!values.every((value) => named.words(name, value) !== null)) return cellWords(cell, p);
  return values.map((value, at) => (
    <Fragment key={value}>
      {at > 0 && p("cell.or")}
      {named.shown(name, value)}
    </Fragment>
  ));
}

export function DecisionView({ body, matched }: { body: DecisionBody; matched?: readonly string[] }) {
  return body.tables.map((table) => (
    <OneTable key={table.id} table={table} body={body} matched={matched} alone={body.tables.length === 1} />
  ));
}

function OneTable({
  table,
  body,
  matched = [],
  alone,
}: {
  table: DecisionTable;
  body: DecisionBody;
  matched?: readonly string[];
  alone: boolean;
}) {
  const { p } = usePlanWords();
  const inputs = table.inputs ?? [];
  const outputs = table.outputs ?? [];
  const rules = table.rules ?? [];
  const notes = rules.some(({ note }) => note);
  const named = useNamed();
  const labelOf = (expression: string) => body.inputs.find(({ name }) => name === expression)?.label;
  if (table.expression)
    return (
      <p className="body">
        {p("table.expression", { name: table.name })} <code className="mono">{table.expression}</code>
      </p>
    );
  return (
    <section className="flush" tabIndex={0} aria-label={table.name}>
      {!alone && <h3 className="body">{table.name}</h3>}
      <table className="table decision" data-testid="decision-table">
        <caption className="quiet">
          {isHit(table.hit ?? "U") ? p(`hit.${(table.hit ?? "U") as Hit}`) : table.hit}
        </caption>
        <thead>
          <tr>
            <th className="right">#</th>
            {inputs.map((column) => (
              <th key={column.id}>
                {named.title(column.expression) ?? column.label ?? labelOf(column.expression) ?? column.expression}
                {(named.title(column.expression) ?? column.label ?? labelOf(column.expression)) && (
                  <div className="quiet mono">{column.expression}</div>
                )}
              </th>
            ))}
            {outputs.map((column) => (
              <th key={column.id} className="result">
                {p("table.then", { name: named.title(column.name) ?? column.label ?? column.name })}
                {(named.title(column.name) ?? column.label) && <div className="quiet mono">{column.name}</div>}
              </th>
            ))}
            {notes && <th>{p("table.note")}</th>}
          </tr>
        </thead>
        <tbody>
          {rules.map((rule, at) => (
            <tr key={rule.id} data-matched={matched.includes(rule.id)} data-rule={rule.id}>
              <td className="right">
                {at + 1}{" "}
                {matched.includes(rule.id) && (
                  <span className="tag" data-tone="accent">
                    {p("table.matched")}
                  </span>
                )}
              </td>
              {inputs.map((column, index) => (
                <td key={column.id}>
                  <Said name={column.expression} cell={rule.when[index] ?? "-"} />
                </td>
              ))}
              {outputs.map((column, index) => (
                <td key={column.id} className="result">
                  <Said name={column.name} cell={rule.then[index] ?? ""} />
                </td>
              ))}
              {notes && <td className="quiet">{rule.note ?? ""}</td>}
            </tr>
          ))}
          {outputs.some((column) => column.default !== null && column.default !== undefined) && (
            <tr>
              <td colSpan={inputs.length + 1}>{p("table.otherwise")}</td>
              {outputs.map((column) => (
                <td key={column.id} className="result">
                  {column.default ? <Said name={column.name} cell={column.default} /> : "—"}
                </td>
              ))}
              {notes && <td />}
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}
