/** One alert: the evidence first, then what the law asks an alert to say, its history, and what could be done. */

import { Button, Textarea } from "@mantine/core";
import { useMemo } from "react";
import { Link, useParams, useSearchParams } from "wouter";
import { SuppressButton, SuppressedNote } from "../alarms/Suppress";
import { commandShelf, useKept } from "../api/kept";
import { useAlert, useMay } from "../api/queries";
import type { Alert, AlertDetail, Text } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useWords } from "../i18n";
import { Changes, ClauseLines, SimilarCases } from "../knowledge/Advice";
import { useAdvice } from "../knowledge/suggestion";
import type { AdvisedPlan } from "../knowledge/types";
import { useKnowledgeWords } from "../knowledge/words";
import { useNow } from "../live/LiveProvider";
import { AlertStateTag } from "../ui/AlertQueue";
import { DispatchSheet, Silent, StepTable } from "../ui/DispatchSheet";
import { Closed, EvidenceView, extentOf } from "../ui/Evidence";
import { Severity, SeverityMark } from "../ui/Severity";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import "../handover/handover.css";

export default function AlertPage() {
  const { id = "" } = useParams<{ id: string }>();
  const alert = useAlert(id);
  if (alert.data === undefined)
    return (
      <div className="page">
        <Panel>
          {alert.error ? <Failure error={alert.error} retry={() => void alert.refetch()} /> : <Loading lines={8} />}
        </Panel>
      </div>
    );
  return <AlertView alert={alert.data} />;
}

function AlertView({ alert }: { alert: AlertDetail }) {
  const { t, say } = useWords();
  const tell = useTell();
  const now = Math.floor(useNow() / 3_600_000) * 3_600_000;
  // The sheet is in the address: a reload in the middle of it opens it again, with what was filled in.
  const [params, setParams] = useSearchParams();
  const sheet = params.get("dispatch");
  const setSheet = (digest: string | null) =>
    setParams(digest === null ? {} : { dispatch: digest === "" ? "first" : digest }, { replace: true });
  const note = useKept(`acknowledge.${alert.id}`, "");
  const acknowledge = useCommand<Alert>({
    shelf: commandShelf(`acknowledge.${alert.id}`),
    done: () => {
      tell.done(t("acknowledge.done", { name: say(alert.subject.name) }));
      note.forget();
    },
    failed: tell.failed,
  });
  const extent = useMemo(() => extentOf(alert.evidence), [alert.evidence]);
  const actionable = useMay("incident.dispatch") && alert.state !== "ended";
  const mayAcknowledge = useMay("alert.acknowledge");
  const open = alert.evidence.filter(({ withheld }) => !withheld?.whole);
  const closed = alert.evidence.filter(({ withheld }) => withheld?.whole);
  const series = open.filter(({ type }) => type === "series");
  const rows = open.filter(({ type }) => type !== "series");
  return (
    <div className="page">
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href={`/command?alert=${encodeURIComponent(alert.id)}`}>{t("nav.command")}</Link>
          </div>
          <h1 className="line" style={{ fontSize: 20, margin: 0 }}>
            <SeverityMark level={alert.level} size={26} />
            {say(alert.kind_title)}
            <Severity level={alert.level} size={0} />
            <AlertStateTag alert={alert} />
          </h1>
          <div className="quiet">
            {say(alert.subject.name)} · {t("alert.raised")} <Moment at={alert.raised_at} ago />
          </div>
        </div>
        <div className="line">
          {alert.incident_id && <Link href={`/incidents/${alert.incident_id}`}>{t("alert.openIncident")}</Link>}
          <SuppressButton alert={alert} />
          {actionable && (
            <Button
              variant={alert.incident_id === null || alert.state === "raised" ? "filled" : "default"}
              data-testid="dispatch-open"
              onClick={() => setSheet("")}
            >
              {t(alert.incident_id === null ? "dispatch.open" : "dispatch.another")}
            </Button>
          )}
        </div>
      </div>
      <SuppressedNote alert={alert} />
      <div className="columns">
        <div className="stack" style={{ gap: 16 }}>
          <Panel title={t("alert.reasons")}>
            <div className="body">
              {alert.reasons.length === 0 ? (
                <span className="quiet">{t("alert.noReasons")}</span>
              ) : (
                <ul style={{ margin: 0, paddingLeft: 18 }}>
                  {alert.reasons.map((reason) => (
                    <li key={say(reason)}>{say(reason)}</li>
                  ))}
                </ul>
              )}
            </div>
          </Panel>
          {alert.evidence.length === 0 && (
            <Panel title={t("alert.evidence")}>
              <Empty title={t("alert.noEvidence")}>{t("alert.noEvidenceWhy")}</Empty>
            </Panel>
          )}
          {[...series, ...rows].map((evidence, index) => (
            <Panel key={index} title={say(evidence.title)}>
              <div className="body">
                <EvidenceView evidence={evidence} extent={extent} now={now} />
              </div>
            </Panel>
          ))}
          {closed.length > 0 && (
            <Panel title={t("alert.evidence")}>
              <div className="body">
                <Closed evidence={closed} />
              </div>
            </Panel>
          )}
        </div>
        <div className="stack" style={{ gap: 16 }}>
          {alert.state === "raised" && mayAcknowledge ? (
            <Panel title={t("acknowledge.title")}>
              <form
                className="body stack"
                onSubmit={(event) => {
                  event.preventDefault();
                  if (!acknowledge.isPending)
                    acknowledge.mutate({
                      path: `/api/alerts/${encodeURIComponent(alert.id)}/acknowledge`,
                      body: { note: note.value },
                    });
                }}
              >
                <span className="quiet">{t("acknowledge.meaning")}</span>
                <Textarea
                  label={t("acknowledge.note")}
                  autosize
                  minRows={2}
                  value={note.value}
                  onChange={(event) => note.set(event.currentTarget.value)}
                />
                <Button type="submit" variant="default" data-testid="acknowledge" loading={acknowledge.isPending}>
                  {t("acknowledge")}
                </Button>
              </form>
            </Panel>
          ) : (
            alert.acknowledged_by && (
              <Panel title={t("acknowledge.title")}>
                <div className="body">
                  {say(alert.acknowledged_by.name)} · <Moment at={alert.acknowledged_at} ago />
                </div>
              </Panel>
            )
          )}
          <Law alert={alert} />
          <Levels alert={alert} />
        </div>
      </div>
      {actionable && <Plans alert={alert} choose={setSheet} />}
      {sheet !== null && actionable && (
        <DispatchSheet alert={alert} digest={sheet} choose={setSheet} close={() => setSheet(null)} />
      )}
    </div>
  );
}

function Law({ alert }: { alert: AlertDetail }) {
  const { t, say } = useWords();
  return (
    <Panel title={t("law.title")}>
      <div className="body">
        <dl className="pairs">
          <dt>{t("law.class")}</dt>
          <dd>{say(alert.class)}</dd>
          <dt>{t("law.level")}</dt>
          <dd>
            <Severity level={alert.level} />
          </dd>
          <dt>{t("law.start")}</dt>
          <dd>
            <Moment at={alert.start_at} />
          </dd>
          {alert.ended_at && (
            <>
              <dt>{t("law.end")}</dt>
              <dd>
                <Moment at={alert.ended_at} />
              </dd>
            </>
          )}
          <dt>{t("law.area")}</dt>
          <dd>{say(alert.area) || "—"}</dd>
          <dt>{t("law.advice")}</dt>
          <dd>
            <Lines of={alert.advice} />
          </dd>
          <dt>{t("law.measures")}</dt>
          <dd>
            <Lines of={alert.measures} />
          </dd>
          <dt>{t("law.issuer")}</dt>
          <dd>{say(alert.issuer) || "—"}</dd>
          <dt>{t("law.issued")}</dt>
          <dd>
            {alert.issued_at ? <Moment at={alert.issued_at} /> : <span className="quiet">{t("law.notIssued")}</span>}
          </dd>
        </dl>
      </div>
    </Panel>
  );
}

function Lines({ of }: { of: Text[] }) {
  const { say } = useWords();
  if (of.length === 0) return <>—</>;
  return (
    <ul style={{ margin: 0, paddingLeft: 16 }}>
      {of.map((line) => (
        <li key={say(line)}>{say(line)}</li>
      ))}
    </ul>
  );
}

function Levels({ alert }: { alert: AlertDetail }) {
  const { t, say } = useWords();
  return (
    <Panel title={t("levels.title")}>
      <div className="body">
        <ol className="ladder">
          {[...alert.levels].reverse().map(({ level, at, reason }) => (
            <li key={`${at}${level}`}>
              <div className="line">
                {level === null ? <span className="quiet">{t("levels.over")}</span> : <Severity level={level} />}
                <Moment at={at} />
              </div>
              {reason && <div className="quiet">{say(reason)}</div>}
            </li>
          ))}
        </ol>
      </div>
    </Panel>
  );
}

/** What could be done and what was done before: plans with their reasons, similar cases, clauses. */
function Plans({ alert, choose }: { alert: Alert; choose: (digest: string) => void }) {
  const { t, say } = useWords();
  const { k } = useKnowledgeWords();
  const advice = useAdvice({ of: "alert", id: alert.id });
  return (
    <section className="beside" aria-label={t("plans.title")}>
      <Panel title={t("plans.title")}>
        <Shown of={advice}>
          {(known) =>
            known.plans.length === 0 ? (
              <Silent advice={known} />
            ) : (
              <div className="body stack" style={{ gap: 16 }} data-testid="suggested-plans">
                <span className="quiet">{known.reasons.map(say).join(" ")}</span>
                {known.plans.map((plan) => (
                  <PlanCard key={plan.digest} plan={plan} choose={() => choose(plan.digest)} />
                ))}
              </div>
            )
          }
        </Shown>
      </Panel>
      {advice.data && (
        <div className="stack" style={{ gap: 16 }}>
          <Panel title={k("advice.cases")}>
            <SimilarCases cases={advice.data.cases} />
          </Panel>
          <Panel title={k("advice.clauses")}>
            <ClauseLines clauses={advice.data.clauses} />
          </Panel>
        </div>
      )}
    </section>
  );
}

function PlanCard({ plan, choose }: { plan: AdvisedPlan; choose: () => void }) {
  const { t, say } = useWords();
  const units = new Map(plan.steps.map(({ unit, unit_title }) => [unit, say(unit_title)]));
  return (
    <div className="stack">
      <div className="line" style={{ justifyContent: "space-between" }}>
        <span>
          <strong>{say(plan.title)}</strong>{" "}
          <Link className="quiet" href={`/plans/${plan.digest}`} title={plan.digest}>
            v{plan.version}
          </Link>
        </span>
        <Button variant="default" size="xs" onClick={choose}>
          {t("plans.choose")}
        </Button>
      </div>
      <div>{say(plan.reason)}</div>
      <div className="quiet">
        {t("plans.units", { n: units.size })} {[...units.values()].join(t("listComma"))}
      </div>
      <Changes plan={plan} />
      <details>
        <summary>{t("plans.steps", { n: plan.steps.length })}</summary>
        <StepTable steps={plan.steps} dates={false} />
      </details>
    </div>
  );
}
