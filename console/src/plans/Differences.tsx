/** Two versions of a plan, each difference in words: of the whole plan first, then step by step. */

import { useDepartments } from "../api/queries";
import { Empty } from "../ui/states";
import { Table } from "../ui/Table";
import { fieldWord, together, valueWord } from "./diff";
import { namesOf } from "./StepTable";
import type { Diff, PlanBody, Step } from "./types";
import { titled, usePlanWords } from "./words";

export function Differences({
  before,
  after,
  heads,
  diff,
  chosen = null,
  choose,
}: {
  before: PlanBody;
  after: PlanBody;
  /** What the two are called. */
  heads: readonly [string, string];
  diff: Diff;
  chosen?: string | null;
  /** Called with a step; without it steps are only named. */
  choose?: (step: string) => void;
}) {
  const words = usePlanWords();
  const { p, say } = words;
  const departments = useDepartments().data;
  const names = namesOf(
    [...before.steps, ...after.steps],
    departments,
    words,
    { ...before.parameters, ...after.parameters },
    { ...before.titles, ...after.titles },
  );
  const { added, removed, changed } = diff.steps;
  if (added.length + removed.length + changed.length + diff.fields.length === 0)
    return <Empty title={p("diff.same")}>{p("diff.sameWhy")}</Empty>;
  const whole = (step: Step) => say(titled(step.title, step.id));
  return (
    <section className="flush" tabIndex={0} aria-label={p("diff.title")}>
      <Table data-testid="diff-table">
        <thead>
          <tr>
            <th>{p("diff.where")}</th>
            <th>{p("diff.field")}</th>
            <th>{heads[0]}</th>
            <th>{heads[1]}</th>
          </tr>
        </thead>
        <tbody>
          {diff.fields.map(({ field, before: was, after: is }) => (
            <tr key={field}>
              <td>{p("diff.plan")}</td>
              <td>{fieldWord(field, p)}</td>
              <td>{valueWord(field, was, names, words)}</td>
              <td>{valueWord(field, is, names, words)}</td>
            </tr>
          ))}
          {together(before, after).flatMap((step) => {
            const button = choose ? (
              <button type="button" className="link" aria-pressed={chosen === step.id} onClick={() => choose(step.id)}>
                {whole(step)}
              </button>
            ) : (
              whole(step)
            );
            if (added.includes(step.id) || removed.includes(step.id)) {
              const word = added.includes(step.id) ? "added" : "removed";
              return [
                <tr key={step.id}>
                  <td className="wide">{button}</td>
                  <td>
                    <span className="tag" data-tone={word === "added" ? "accent" : undefined}>
                      {p(`diff.${word}`)}
                    </span>
                  </td>
                  <td>{word === "removed" ? names.unit(step.unit ?? "") : p("diff.nothing")}</td>
                  <td>{word === "added" ? names.unit(step.unit ?? "") : p("diff.nothing")}</td>
                </tr>,
              ];
            }
            return changed
              .filter(({ id }) => id === step.id)
              .map(({ field, before: was, after: is }) => (
                <tr key={`${step.id}.${field}`}>
                  <td className="wide">{button}</td>
                  <td>{fieldWord(field, p)}</td>
                  <td>{valueWord(field, was, names, words)}</td>
                  <td>{valueWord(field, is, names, words)}</td>
                </tr>
              ));
          })}
        </tbody>
      </Table>
    </section>
  );
}
