/** Formulas: every version with its source, and a new one that shows what it would make of a past period. */

import { Button } from "@mantine/core";
import { useState } from "react";
import { useSearchParams } from "wouter";
import { useMay } from "../api/queries";
import { Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { daysOf } from "./lengths";
import { NewFormula } from "./NewFormula";
import { nameOf, Tabs, TermTable, useChange, Wide } from "./parts";
import { useFormulas } from "./queries";
import type { Formula } from "./types";
import { useAccountWords } from "./words";

type State = "inForce" | "coming" | "past" | "offered";

/** What each version is on this day: one of each kind is in force, the newest of those adopted that has begun. */
export function states(formulas: readonly Formula[], today: string): Map<Formula, State> {
  const found = new Map<Formula, State>();
  for (const of of ["handling", "supply"] as const) {
    const adopted = formulas.filter((one) => one.adopted && one.of === of);
    const inForce = adopted.findLast((one) => one.valid_from <= today);
    for (const one of adopted) found.set(one, one === inForce ? "inForce" : one.valid_from > today ? "coming" : "past");
  }
  for (const one of formulas) if (!found.has(one)) found.set(one, "offered");
  return found;
}

const ORDER: readonly State[] = ["inForce", "coming", "past", "offered"];

/** What is in force comes first, then the newest. */
function sorted(every: readonly Formula[], state: ReadonlyMap<Formula, State>): Formula[] {
  const place = (one: Formula) => ORDER.indexOf(state.get(one) ?? "offered");
  return [...every].reverse().sort((one, other) => place(one) - place(other));
}

export function Formulas({ today }: { today: string }) {
  const { a, say, number } = useAccountWords();
  const [params] = useSearchParams();
  const change = useChange();
  const formulas = useFormulas();
  const manages = useMay("score.manage");
  const [writing, setWriting] = useState(false);
  return (
    <div className="page account">
      <div className="head">
        <div>
          <h1>{a("formula.title")}</h1>
          <Tabs at="formulas" />
        </div>
        {manages && !writing && (
          <Button size="sm" data-testid="formula-new" onClick={() => setWriting(true)}>
            {a("formula.new")}
          </Button>
        )}
      </div>
      <Shown of={formulas} lines={8}>
        {(every) => {
          const state = states(every, today);
          const inForce = every.find((one) => state.get(one) === "inForce" && one.of === "handling");
          const chosen = every.find((one) => nameOf(one) === params.get("formula")) ?? inForce ?? every[0];
          return (
            <>
              {writing && chosen && (
                <NewFormula
                  key={nameOf(chosen)}
                  like={chosen}
                  taken={every}
                  today={today}
                  close={() => setWriting(false)}
                />
              )}
              <Panel title={a("formula.all")}>
                <Wide label={a("formula.all")}>
                  <Table data-testid="formulas-table">
                    <thead>
                      <tr>
                        <th>{a("formula.title")}</th>
                        <th>{a("formula.version")}</th>
                        <th>{a("formula.of")}</th>
                        <th data-cell="plain">{a("formula.state")}</th>
                        <th>{a("formula.validFrom")}</th>
                        <th />
                      </tr>
                    </thead>
                    <tbody>
                      {sorted(every, state).map((one) => (
                        <tr key={nameOf(one)} aria-current={one === chosen ? "true" : undefined}>
                          <td>
                            <button
                              type="button"
                              className="link"
                              onClick={() => change({ formula: nameOf(one) }, true)}
                            >
                              {say(one.title)}
                            </button>
                          </td>
                          <td>
                            {one.id} {one.version}
                          </td>
                          <td>{a(`formula.of.${one.of}`)}</td>
                          <td>
                            <span className="tag" data-tone={state.get(one) === "inForce" ? "accent" : undefined}>
                              {a(`formula.${state.get(one) ?? "offered"}`)}
                            </span>
                          </td>
                          <td>{one.valid_from}</td>
                          <td className="quiet">
                            {one.published_at ? (
                              <>
                                {a("formula.published")} <Moment at={one.published_at} />
                              </>
                            ) : (
                              a("formula.withSystem")
                            )}
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </Table>
                </Wide>
              </Panel>
              {chosen && (
                <Panel title={say(chosen.title)}>
                  <div className="body stack" data-testid="formula-chosen">
                    <span className="quiet">
                      {chosen.id} {chosen.version} · {a(`formula.${state.get(chosen) ?? "offered"}`)} ·{" "}
                      {a("formula.validFrom")} {chosen.valid_from} ·{" "}
                      {a("formula.outOf", { points: number(chosen.out_of) })} ·{" "}
                      {a("formula.appealWithin", { days: daysOf(chosen.appeal_within) ?? chosen.appeal_within })}
                    </span>
                    <div>
                      {a("formula.source")} {say(chosen.source)}
                    </div>
                  </div>
                  <Wide label={say(chosen.title)}>
                    <TermTable formula={chosen} />
                  </Wide>
                </Panel>
              )}
            </>
          );
        }}
      </Shown>
    </div>
  );
}
