/** One closed case: what was done by whom, how long it took, what the commander changed and why. */

import { Link, useParams } from "wouter";
import { Severity, SeverityMark } from "../ui/Severity";
import { Empty, Failure, Loading, Panel } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { ChangeWords, Went } from "./Advice";
import { CaseRevisions } from "./CaseRevisions";
import { useKindTitle } from "./kinds";
import { usePageWords } from "./pages";
import { useCase } from "./queries";
import type { Case } from "./types";

export default function CasePage() {
  const { id = "" } = useParams<{ id: string }>();
  const found = useCase(id);
  return (
    <div className="page">
      {found.data === undefined ? (
        <Panel>
          {found.error ? <Failure error={found.error} retry={() => void found.refetch()} /> : <Loading lines={8} />}
        </Panel>
      ) : (
        <View of={found.data} />
      )}
    </div>
  );
}

function View({ of: one }: { of: Case }) {
  const { k, p, say, length, unit, number } = usePageWords();
  const title = useKindTitle();
  const titles = new Map(one.steps.map((step) => [step.step, step.title]));
  return (
    <>
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/cases">{p("cases.title")}</Link> / {one.id}
          </div>
          <h1 className="line" style={{ fontSize: 20, margin: 0 }}>
            <SeverityMark level={one.level} size={26} />
            {title(one.kind)}
            <Severity level={one.level} size={0} />
          </h1>
          <div className="quiet">
            <Moment at={one.opened_at} /> – <Moment at={one.closed_at} /> · {length(one.seconds)}
          </div>
        </div>
        {one.incident_id && <Link href={`/incidents/${one.incident_id}`}>{p("case.incident")}</Link>}
      </div>
      <div className="columns">
        <div className="stack" style={{ gap: 16, minWidth: 0 }}>
          <Panel title={p("case.steps")}>
            {one.steps.length === 0 ? (
              <Empty title={p("case.noSteps")}>{p("case.noStepsWhy")}</Empty>
            ) : (
              <section className="flush" tabIndex={0} aria-label={p("case.steps")}>
                <Table>
                  <thead>
                    <tr>
                      <th>{p("case.step")}</th>
                      <th data-cell="plain">{p("case.unit")}</th>
                      <th className="right">{p("case.due")}</th>
                      <th className="right">{p("case.stepTook")}</th>
                      <th data-cell="plain">{k("case.went")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {one.steps.map((step, at) => (
                      <tr key={at} data-testid="case-step">
                        <td>{say(step.title) || step.step}</td>
                        <td>{unit(step.unit)}</td>
                        <td className="right">{length(step.due)}</td>
                        <td className={`right ${step.late ? "late" : ""}`}>{length(step.took)}</td>
                        <td>
                          <span className="line" style={{ gap: "0 8px" }}>
                            <span className={step.late ? "late" : "quiet"}>
                              {p(step.late ? "case.isLate" : "case.onTime")}
                            </span>
                            {step.rework > 0 && <span>{k("case.rework", { n: step.rework })}</span>}
                            {step.returned > 0 && <span>{k("case.returned", { n: step.returned })}</span>}
                          </span>
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </Table>
              </section>
            )}
          </Panel>
          <Panel title={p("case.changed")}>
            <div className="body">
              {one.changes.length === 0 ? (
                <span className="quiet">{p("case.noChanges")}</span>
              ) : (
                <ul className="why">
                  {one.changes.map((change, at) => (
                    <li key={at}>
                      <ChangeWords change={{ ...change, title: change.title ?? titles.get(change.step) ?? null }} />
                      {change.reason && <div className="quiet">{k("case.said", { reason: change.reason })}</div>}
                    </li>
                  ))}
                </ul>
              )}
            </div>
          </Panel>
          {(one.revision ?? 1) > 1 && <CaseRevisions of={one} />}
        </div>
        <Panel title={k("case.went")}>
          <div className="body">
            <dl className="pairs">
              <dt>{k("case.went")}</dt>
              <dd>
                <Went of={one} />
              </dd>
              <dt>{p("case.outcome")}</dt>
              <dd>
                <span className="numeric">{number(one.outcome, 2)}</span>{" "}
                <span className="quiet">{p("case.outcomeMeans")}</span>
              </dd>
              <dt>{k("case.plan")}</dt>
              <dd>
                {one.plan.digest ? <Link href={`/plans/${one.plan.digest}`}>{one.plan.id}</Link> : one.plan.id}
                {one.plan.version && <span className="quiet"> v{one.plan.version}</span>}
              </dd>
              <dt>{p("case.origin")}</dt>
              <dd>{one.incident_id ? p("case.own") : one.origin}</dd>
              {one.revised_at && (
                <>
                  <dt>{p("case.revised")}</dt>
                  <dd>
                    <Moment at={one.revised_at} /> {p("case.revisedTimes", { n: (one.revision ?? 2) - 1 })}
                  </dd>
                </>
              )}
              {one.place && (
                <>
                  <dt>{p("case.place")}</dt>
                  <dd>{one.place}</dd>
                </>
              )}
              <dt>{p("case.text")}</dt>
              <dd>{one.text || "—"}</dd>
            </dl>
          </div>
        </Panel>
      </div>
    </>
  );
}
