/** One published plan: its drawing, every step in words, where it runs, and how it differs from another version. */

import { Button, NativeSelect } from "@mantine/core";
import { lazy, Suspense, useMemo, useState } from "react";
import { Link, useLocation, useParams, useSearchParams } from "wouter";
import { useDepartments, useMay } from "../api/queries";
import type { Level } from "../api/types";
import { Differences } from "../plans/Differences";
import { marksOf } from "../plans/diff";
import { createDraft, useDiff, useDrawing, usePlan } from "../plans/queries";
import { StepTable } from "../plans/StepTable";
import { AppliesTo, Published, Validity } from "../plans/shared";
import type { Diff, PlanDetail } from "../plans/types";
import { nextVersion, renumbered } from "../plans/version";
import { usePlanWords } from "../plans/words";
import { Table } from "../ui/Table";
import "../plans/plans.css";
import { DeclaredParameters } from "../ui/PlanParameters";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";

const Drawing = lazy(() => import("../bpmn/Drawing"));

export default function PlanPage() {
  const { digest = "" } = useParams<{ digest: string }>();
  const plan = usePlan(digest);
  if (plan.data === undefined)
    return (
      <div className="page">
        <Panel>
          {plan.error ? <Failure error={plan.error} retry={() => void plan.refetch()} /> : <Loading lines={8} />}
        </Panel>
      </div>
    );
  return <PlanView key={digest} plan={plan.data} />;
}

function PlanView({ plan }: { plan: PlanDetail }) {
  const { p, say, t } = usePlanWords();
  const [params, setParams] = useSearchParams();
  const departments = useDepartments().data;
  const [chosen, setChosen] = useState<string | null>(null);
  const other = params.get("with");
  const others = plan.versions.filter(({ digest }) => digest !== plan.digest);
  return (
    <div className="page plans">
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/plans">{p("library.title")}</Link> / {plan.name}
          </div>
          <h1>
            {say(plan.title)}{" "}
            <span className="tag" data-tone={plan.in_force ? "accent" : undefined}>
              {p(plan.in_force ? "library.inForce" : "library.notInForce")}
            </span>
          </h1>
          <div className="quiet line">
            <span>{p("plan.versionIs", { version: plan.version })}</span>
            <span className="mono" title={plan.digest}>
              {p("plan.seal", { digest: plan.digest.slice(0, 12) })}
            </span>
          </div>
        </div>
        <Begin plan={plan} />
      </div>
      <Panel title={p("plan.about")}>
        <dl className="pairs body">
          <dt>{p("library.applies")}</dt>
          <dd>
            <AppliesTo kind={plan.kind} levels={plan.levels as Level[]} />
          </dd>
          <dt>{p("library.valid")}</dt>
          <dd>
            <Validity from={plan.valid_from} until={plan.valid_until} />
          </dd>
          <dt>{p("library.publishedAt")}</dt>
          <dd>
            <Published version={plan} />
          </dd>
          {plan.plan.source && (
            <>
              <dt>{p("plan.source")}</dt>
              <dd>{say(plan.plan.source)}</dd>
            </>
          )}
          <DeclaredParameters plan={plan.plan} />
        </dl>
      </Panel>
      {others.length > 0 && (
        <NativeSelect
          label={p("diff.with")}
          data-testid="diff-with"
          style={{ maxWidth: 420 }}
          data={[
            { value: "", label: p("diff.none") },
            ...others.map((one) => ({
              value: one.digest,
              label: `v${one.version} · ${one.digest.slice(0, 8)}${one.in_force ? ` · ${p("library.inForce")}` : ""}`,
            })),
          ]}
          value={other ?? ""}
          onChange={({ currentTarget: { value } }) => setParams(value === "" ? {} : { with: value }, { replace: true })}
        />
      )}
      {other === null ? (
        <>
          <Panel title={p("plan.drawing")}>
            <PlanDrawing plan={plan} chosen={chosen} choose={setChosen} />
          </Panel>
          <Panel
            title={p("steps.title")}
            aside={<span className="quiet">{p("steps.count", { n: plan.plan.steps.length })}</span>}
          >
            <StepTable plan={plan.plan} departments={departments} chosen={chosen} choose={setChosen} />
          </Panel>
        </>
      ) : (
        <Compared plan={plan} with={other} />
      )}
      <Panel title={p("plan.runs")}>
        {plan.runs.length === 0 ? (
          <Empty title={p("plan.noRuns")}>{p("plan.noRunsWhy")}</Empty>
        ) : (
          <section className="flush" tabIndex={0} aria-label={p("plan.runs")}>
            <Table>
              <thead>
                <tr>
                  <th>{t("incidents.title")}</th>
                  <th>{t("incident.started")}</th>
                  <th>{t("incident.finished")}</th>
                </tr>
              </thead>
              <tbody>
                {plan.runs.map((run) => (
                  <tr key={run.id}>
                    <td className="wide">
                      <Link href={`/incidents/${run.incident_id}`}>{say(run.title)}</Link>
                    </td>
                    <td>
                      <Moment at={run.started_at} />
                    </td>
                    <td>
                      <Moment at={run.closed_at} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </Table>
          </section>
        )}
      </Panel>
    </div>
  );
}

function PlanDrawing({
  plan,
  chosen,
  choose,
  diff,
  newer = true,
}: {
  plan: PlanDetail;
  chosen: string | null;
  choose: (step: string | null) => void;
  diff?: Diff;
  newer?: boolean;
}) {
  const words = usePlanWords();
  const { p, say } = words;
  const drawing = useDrawing(plan.digest);
  const marks = useMemo(() => (diff ? marksOf(diff, newer, p) : undefined), [diff, newer, p]);
  return (
    <Shown of={drawing} lines={8}>
      {(xml) => (
        <Suspense fallback={<Loading lines={8} />}>
          <Drawing
            xml={xml}
            label={p("drawing.of", { plan: say(plan.title), version: plan.version })}
            chosen={chosen}
            choose={choose}
            marks={marks}
            most={diff ? 420 : undefined}
          />
        </Suspense>
      )}
    </Shown>
  );
}

/** A new draft that begins with this version, drawn or as text. */
function Begin({ plan }: { plan: PlanDetail }) {
  const { p } = usePlanWords();
  const mayDraft = useMay("plan.draft");
  const [, go] = useLocation();
  const tell = useTell();
  const drawing = useDrawing(mayDraft ? plan.digest : null);
  const [busy, setBusy] = useState(false);
  if (!mayDraft) return null;
  return (
    <Button
      variant="default"
      data-testid="new-version"
      loading={busy}
      disabled={drawing.data === undefined}
      onClick={() => {
        setBusy(true);
        createDraft(
          "bpmn",
          renumbered(
            drawing.data ?? "",
            nextVersion(
              plan.version,
              plan.versions.map(({ version }) => version),
            ),
          ),
        )
          .then((draft) => go(`/plans/drafts/${draft.id}`))
          .catch((error: unknown) => {
            tell.failed(error);
            setBusy(false);
          });
      }}
    >
      {p("plan.newVersion")}
    </Button>
  );
}

function Compared({ plan, with: other }: { plan: PlanDetail; with: string }) {
  const { p } = usePlanWords();
  const before = usePlan(other);
  const diff = useDiff(other, plan.digest);
  const [chosen, setChosen] = useState<string | null>(null);
  if (before.data === undefined || diff.data === undefined)
    return (
      <Panel title={p("diff.title")}>
        {before.error || diff.error ? <Failure error={before.error ?? diff.error} /> : <Loading lines={6} />}
      </Panel>
    );
  return (
    <>
      <Panel
        title={p("diff.title")}
        aside={
          <span className="quiet" data-testid="diff-count">
            {p("diff.count", {
              added: diff.data.steps.added.length,
              removed: diff.data.steps.removed.length,
              changed: new Set(diff.data.steps.changed.map(({ id }) => id)).size,
            })}
          </span>
        }
      >
        <Differences
          before={before.data.plan}
          after={plan.plan}
          heads={[p("diff.before", { version: before.data.version }), p("diff.now", { version: plan.version })]}
          diff={diff.data}
          chosen={chosen}
          choose={setChosen}
        />
      </Panel>
      <div className="sides">
        <Panel title={p("diff.before", { version: before.data.version })}>
          <PlanDrawing plan={before.data} diff={diff.data} newer={false} chosen={chosen} choose={setChosen} />
        </Panel>
        <Panel title={p("diff.now", { version: plan.version })}>
          <PlanDrawing plan={plan} diff={diff.data} chosen={chosen} choose={setChosen} />
        </Panel>
      </div>
    </>
  );
}
