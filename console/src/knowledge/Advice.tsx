/** What is known of matters like this one, where a decision is made: cases, clauses, changes that are proposed. */

import { Fragment } from "react";
import { Link } from "wouter";
import type { Level } from "../api/types";
import { Severity } from "../ui/Severity";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import "./knowledge.css";
import type { AdvisedPlan, Change, Clause, Proposed, Reason, SimilarCase } from "./types";
import { useKnowledgeWords } from "./words";

/** Reasons that say more than that the plan has the step. */
export const telling = (reasons: readonly Reason[] | undefined) =>
  (reasons ?? []).filter(({ kind }) => kind !== "plan");

export function Reasons({ reasons }: { reasons: readonly Reason[] }) {
  const { say } = useKnowledgeWords();
  if (reasons.length === 0) return null;
  return (
    <ul className="why">
      {reasons.map((reason) => (
        <li key={say(reason.text)} data-kind={reason.kind}>
          {say(reason.text)}
        </li>
      ))}
    </ul>
  );
}

/** How a case went, in words; what went wrong stands out. */
export function Went({ of }: { of: { late: number; rework: number; returned: number } }) {
  const { k } = useKnowledgeWords();
  const wrong = [
    of.late > 0 && k("case.late", { n: of.late }),
    of.rework > 0 && k("case.rework", { n: of.rework }),
    of.returned > 0 && k("case.returned", { n: of.returned }),
  ].filter((word) => word !== false);
  if (wrong.length === 0)
    return (
      <span className="status" data-tone="good">
        {k("case.well")}
      </span>
    );
  return (
    <span className="line" style={{ gap: "0 8px" }}>
      {wrong.map((word, at) => (
        <span key={word} className={at === 0 && of.late > 0 ? "late" : undefined}>
          {word}
        </span>
      ))}
    </span>
  );
}

export function ChangeWords({
  change,
}: {
  change: Pick<Change, "op" | "step" | "unit" | "title"> & { due: number | string | null };
}) {
  const { k, say, unit, length } = useKnowledgeWords();
  const parts = [
    say(change.title) || change.step,
    change.unit && k("op.to", { unit: unit(change.unit) }),
    change.due !== null && k("op.within", { length: length(change.due) }),
  ].filter((part) => part !== false && part !== null && part !== "");
  return (
    <>
      <strong>{k(`op.${change.op}`)}</strong> {parts.join(" · ")}
    </>
  );
}

export function SimilarCases({ cases }: { cases: readonly SimilarCase[] }) {
  const { k, say, length } = useKnowledgeWords();
  if (cases.length === 0) return <div className="body quiet">{k("advice.casesNone")}</div>;
  return (
    <div className="flush">
      <Table data-testid="similar-cases">
        <thead>
          <tr>
            <th>{k("case.what")}</th>
            <th>{k("case.plan")}</th>
            <th>{k("case.went")}</th>
            <th className="right">{k("case.took")}</th>
          </tr>
        </thead>
        <tbody>
          {cases.map((one) => (
            <tr key={one.id} data-testid="similar-case">
              <td>
                <div className="line">
                  <Severity level={one.level} />
                  <Link href={`/cases/${encodeURIComponent(one.id)}`}>
                    <Moment at={one.opened_at} shape="date" />
                  </Link>
                  <span className="quiet">{k("case.similarity", { percent: Math.round(100 * one.similarity) })}</span>
                </div>
                {one.why !== undefined && (
                  <div className="quiet">{one.why.map((reason) => say(reason)).join(" · ")}</div>
                )}
              </td>
              <td>
                {one.plan.id}
                {one.changes.length > 0 && (
                  <details>
                    <summary>{k("case.changes", { n: one.changes.length })}</summary>
                    <ul className="why">
                      {one.changes.map((change, at) => (
                        <li key={at}>
                          <ChangeWords change={change} />
                          {change.reason && <> · {k("case.said", { reason: change.reason })}</>}
                        </li>
                      ))}
                    </ul>
                  </details>
                )}
              </td>
              <td>
                <Went of={one} />
              </td>
              <td className="right">{length(one.seconds)}</td>
            </tr>
          ))}
        </tbody>
      </Table>
    </div>
  );
}

export function ClauseLines({ clauses }: { clauses: readonly Clause[] }) {
  const { k, say } = useKnowledgeWords();
  if (clauses.length === 0) return <div className="body quiet">{k("advice.clausesNone")}</div>;
  return (
    <div className="body">
      <ul className="clauses">
        {clauses.map((clause) => (
          <li key={clause.id}>
            <details>
              <summary>
                <strong>{say(clause.title)}</strong>{" "}
                <span className="quiet">
                  {say(clause.law)} {clause.article}
                </span>
                {!clause.verified && <span className="tag">{k("clauses.unverified")}</span>}
              </summary>
              <p>{say(clause.text)}</p>
            </details>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The changes that are proposed for a plan; with `chosen` a person ticks those to make. */
export function Changes({
  plan,
  chosen,
  toggle,
}: {
  plan: AdvisedPlan;
  chosen?: ReadonlySet<string>;
  toggle?: (key: string) => void;
}) {
  const { k } = useKnowledgeWords();
  if (plan.changes.length === 0) return null;
  return (
    <fieldset className="changes" data-testid="proposed-changes">
      <legend>{k("advice.changes")}</legend>
      <span className="quiet">{k(toggle ? "advice.changesWhy" : "advice.changesRead")}</span>
      {plan.changes.map((change) => {
        const key = keyOf(change);
        const words = <ProposedWords key={key} change={change} plan={plan} />;
        return toggle && change.patch !== null ? (
          <label key={key} className="change">
            <input
              type="checkbox"
              data-testid="change-pick"
              checked={chosen?.has(key) ?? false}
              onChange={() => toggle(key)}
            />
            <span>{words}</span>
          </label>
        ) : (
          <div key={key} className="change">
            <span aria-hidden="true">·</span>
            <span>
              {words}
              {toggle && <div className="quiet">{k("advice.byHand")}</div>}
            </span>
          </div>
        );
      })}
    </fieldset>
  );
}

export function ProposedWords({ change, plan }: { change: Proposed; plan: AdvisedPlan }) {
  const { k } = useKnowledgeWords();
  const title = change.title ?? plan.steps.find(({ id }) => id === change.step)?.title ?? null;
  return (
    <>
      <ChangeWords change={{ ...change, title }} />{" "}
      <span className="tag" data-tone={change.mandated ? "accent" : undefined}>
        {k(change.mandated ? "advice.mandated" : "advice.learned")}
      </span>
      <Reasons reasons={change.reasons} />
      {change.said && <div className="quiet">{k("advice.said", { said: change.said })}</div>}
    </>
  );
}

/** What makes two changes the same. */
export const keyOf = ({ op, step, unit }: Pick<Proposed, "op" | "step" | "unit">) => `${op} ${step} ${unit ?? ""}`;

export function Levels({ levels }: { levels: readonly Level[] }) {
  return (
    <span className="line" style={{ gap: "0 8px" }}>
      {levels.map((level) => (
        <Fragment key={level}>
          <Severity level={level} />
        </Fragment>
      ))}
    </span>
  );
}
