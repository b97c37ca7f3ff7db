/** How a case came to say what it says: every version, who handed over the one that took its place, and what that changed. */

import type { ReactNode } from "react";
import type { Level } from "../api/types";
import { Severity } from "../ui/Severity";
import { Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { ChangeWords } from "./Advice";
import { type CarriedOut as Step, stepsApart } from "./apart";
import { useKindTitle } from "./kinds";
import { usePageWords } from "./pages";
import { useReplaced } from "./queries";
import type { Case, Change } from "./types";

export function CaseRevisions({ of: one }: { of: Case }) {
  const { p, say } = usePageWords();
  const replaced = useReplaced(one.id);
  return (
    <Panel
      title={p("revisions.title")}
      aside={<span className="quiet">{p("revisions.now", { n: one.revision ?? 1 })}</span>}
    >
      <Shown of={replaced} lines={3}>
        {(versions) => (
          <div className="flush">
            <Table>
              <thead>
                <tr>
                  <th data-cell="title">{p("revisions.what")}</th>
                  <th>{p("revisions.before")}</th>
                  <th>{p("revisions.after")}</th>
                </tr>
              </thead>
              {versions.map((version) => (
                <tbody key={version.revision} data-testid="case-revision">
                  <tr>
                    <th colSpan={3} scope="rowgroup" className="revision">
                      {p("revisions.version", { n: version.revision, next: version.revision + 1 })}{" "}
                      <span className="quiet">
                        <Moment at={version.until} />{" "}
                        {p("revisions.by", { who: say(version.replaced_by_name) || p("revisions.system") })}
                      </span>
                    </th>
                  </tr>
                  {version.changed.map(({ field, before, after }) => (
                    <Changed key={field} field={field} before={before} after={after} version={version.case} />
                  ))}
                </tbody>
              ))}
            </Table>
          </div>
        )}
      </Shown>
    </Panel>
  );
}

const WORDS = {
  origin: "case.origin",
  kind: "cases.kind",
  level: "cases.level",
  stage: "revisions.stage",
  text: "case.text",
  place: "case.place",
  lon: "revisions.lon",
  lat: "revisions.lat",
  opened_at: "case.opened",
  closed_at: "revisions.closed",
  seconds: "revisions.seconds",
  plan: "revisions.plan",
  late: "revisions.late",
  rework: "revisions.rework",
  returned: "revisions.returned",
  outcome: "case.outcome",
  changes: "case.changed",
  incident_id: "case.incident",
} as const;

function Changed({ field, before, after, version }: { field: string; before: unknown; after: unknown; version: Case }) {
  const { p } = usePageWords();
  if (field === "steps") return <Steps before={before as Step[]} after={after as Step[]} />;
  const word = field in WORDS ? p(WORDS[field as keyof typeof WORDS]) : field;
  return (
    <tr>
      <td>{word}</td>
      <td>
        <Value field={field} value={before} of={version} />
      </td>
      <td>
        <Value field={field} value={after} of={version} />
      </td>
    </tr>
  );
}

/** A value of a field as the page itself would say it. */
function Value({ field, value, of }: { field: string; value: unknown; of: Case }): ReactNode {
  const { p, length, number } = usePageWords();
  const title = useKindTitle();
  if (value === null || value === undefined || value === "" || (Array.isArray(value) && value.length === 0))
    return <span className="quiet">{p("revisions.none")}</span>;
  switch (field) {
    case "kind":
      return title(String(value));
    case "level":
      return <Severity level={value as Level} />;
    case "opened_at":
    case "closed_at":
      return <Moment at={String(value)} />;
    case "seconds":
      return length(Number(value));
    case "plan": {
      const plan = value as Case["plan"];
      return `${plan.id}${plan.version === null ? "" : ` v${plan.version}`}`;
    }
    case "changes": {
      const titles = new Map(of.steps.map((step) => [step.step, step.title]));
      return (
        <ul className="why">
          {(value as Change[]).map((change, at) => (
            <li key={at}>
              <ChangeWords change={{ ...change, title: change.title ?? titles.get(change.step) ?? null }} />
            </li>
          ))}
        </ul>
      );
    }
  }
  return typeof value === "number" ? (
    <span className="numeric">{number(value, Number.isInteger(value) ? 0 : field === "outcome" ? 2 : 5)}</span>
  ) : (
    String(value)
  );
}

function Steps({ before, after }: { before: readonly Step[]; after: readonly Step[] }) {
  const { p, say, unit, length, t } = usePageWords();
  const { added, removed, changed } = stepsApart(before, after);
  const name = (step: Step) => say(step.title) || step.step;
  const said = (step: Step, field: (typeof changed)[number]["field"]) => {
    if (field === "unit") return unit(step.unit);
    if (field === "due" || field === "took") return length(step[field]);
    return field === "late" ? t(step.late ? "yes" : "no") : String(step[field]);
  };
  const none = <span className="quiet">{p("revisions.none")}</span>;
  return (
    <>
      {removed.map((step, at) => (
        <tr key={`- ${at}`}>
          <td>{name(step)}</td>
          <td>{unit(step.unit)}</td>
          <td>{none}</td>
        </tr>
      ))}
      {added.map((step, at) => (
        <tr key={`+ ${at}`}>
          <td>{name(step)}</td>
          <td>{none}</td>
          <td>{unit(step.unit)}</td>
        </tr>
      ))}
      {changed.map(({ field, before: was, after: is }, at) => (
        <tr key={`~ ${at}`}>
          <td>
            {name(is)} · {p(`revisions.step.${field}`)}
          </td>
          <td>{said(was, field)}</td>
          <td>{said(is, field)}</td>
        </tr>
      ))}
    </>
  );
}
