/** The last look before a plan runs: which departments, what, by when, and why. One sheet is one command, however often pressed. */

import { Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { commandId, Problem, post } from "../api/client";
import { commandShelf, useKept } from "../api/kept";
import { useDepartments, useMay } from "../api/queries";
import type { Alert, IncidentDetail, Level, Text } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useWords } from "../i18n";
import { Changes, ClauseLines, keyOf, Reasons, SimilarCases, telling } from "../knowledge/Advice";
import { type Asked, useAdvice } from "../knowledge/suggestion";
import type { Advice, AdvisedPlan, AdvisedStep, Proposed } from "../knowledge/types";
import { useKnowledgeWords } from "../knowledge/words";
import { useNow } from "../live/LiveProvider";
import { cityTime, duration, isoSeconds } from "../time/format";
import { askedBy, type Given, PlanParameters, stepsWith, toSend, unitsOf } from "./PlanParameters";
import { Severity } from "./Severity";
import { Sheet } from "./Sheet";
import { Empty, Failure, Shown } from "./states";
import { afterWords } from "./steps";
import { Table } from "./Table";
import { useZone } from "./Time";
import { useTell } from "./Toast";

/** What a plan is started for, and whether one is under way for it. */
interface Subject {
  alert: Alert | undefined;
  asked: Asked;
  path: string;
  level: Level | null;
  name: Text;
  underWay: boolean;
}

type What = { alert: Alert; incident?: undefined } | { incident: IncidentDetail; alert?: undefined };

function subjectOf({ alert, incident }: What): Subject {
  if (alert)
    return {
      alert,
      asked: { of: "alert", id: alert.id },
      path: `/api/alerts/${encodeURIComponent(alert.id)}/dispatch`,
      level: alert.level,
      name: alert.subject.name,
      underWay: alert.incident_id !== null,
    };
  return {
    alert: undefined,
    asked: { of: "incident", id: incident.id },
    path: `/api/incidents/${encodeURIComponent(incident.id)}/dispatch`,
    level: incident.level,
    name: incident.title,
    underWay: incident.runs.some(({ closed_at }) => closed_at === null),
  };
}

export function DispatchSheet({
  digest,
  choose,
  close,
  ...what
}: What & {
  /** The plan that the address names; the first suggestion when it names none. */
  digest: string | null;
  choose: (digest: string) => void;
  close: () => void;
}) {
  const { t, say } = useWords();
  const subject = subjectOf(what);
  const advice = useAdvice(subject.asked);
  return (
    <Sheet
      close={close}
      title={
        <span className="line">
          {t("dispatch.title")}
          <Severity level={subject.level} />
          {say(subject.name)}
        </span>
      }
    >
      <Shown of={advice}>
        {(known) =>
          known.plans.length === 0 ? (
            <>
              <Silent advice={known} />
              <Known advice={known} open />
            </>
          ) : (
            <Choice subject={subject} advice={known} digest={digest} choose={choose} close={close} />
          )
        }
      </Shown>
    </Sheet>
  );
}

/** That nothing fits, said plainly, and what to do instead. */
export function Silent({ advice }: { advice: Advice }) {
  const { k, say } = useKnowledgeWords();
  return (
    <div data-testid="advice-silent">
      <Empty title={k("advice.silent")}>
        <span>{say(advice.silence)}</span>
        <span>
          {k("advice.silentNext")} <Link href="/plans">{k("advice.library")}</Link>
        </span>
      </Empty>
    </div>
  );
}

function Choice({
  subject,
  advice,
  digest,
  choose,
  close,
}: {
  subject: Subject;
  advice: Advice;
  digest: string | null;
  choose: (digest: string) => void;
  close: () => void;
}) {
  const { t, say } = useWords();
  const { k } = useKnowledgeWords();
  const tell = useTell();
  const [, go] = useLocation();
  const confirm = useRef<HTMLButtonElement>(null);
  // The plans come after the sheet has opened, too late for the sheet's own focus.
  useEffect(() => confirm.current?.focus({ preventScroll: true }), []);
  const { plans } = advice;
  const plan = plans.find((one) => one.digest === digest) ?? plans[0];
  const mayChange = useMay("run.patch");
  // What clauses ask for is ticked; what commanders did before waits for a person to agree.
  const name = `dispatch.${subject.asked.of}.${subject.asked.id}`;
  const kept = `${name}.${plan?.digest ?? ""}`;
  const turned = useKept<string[]>(`${kept}.turned`, NONE);
  const ticked = (change: Proposed) =>
    change.patch !== null && change.mandated !== turned.value.includes(keyOf(change));
  const wanted = mayChange && plan ? plan.changes.filter(ticked) : [];
  const [applying, setApplying] = useState(false);
  const shelf = commandShelf(name);
  // Made when the sheet opens: whatever is pressed on it, and however often, is one command; also after a reload.
  const [id] = useState(() => shelf.take()?.id ?? commandId());
  const given = useKept<Given>(kept, NOTHING);
  const dispatch = useCommand<{ incident_id: string; run_id: string }>({
    id,
    failed: (error) => {
      if (error instanceof Problem && error.status === 409) shelf.put(null); // it began already, or another one did
    },
    done: ({ incident_id, run_id }) => {
      shelf.put(null);
      given.forget();
      turned.forget();
      setApplying(true);
      void change(run_id, wanted, say).then((failed) => {
        if (failed === 0) tell.done(t("dispatch.done"));
        else tell.failed(k("advice.failed", { n: failed }));
        close();
        go(`/incidents/${incident_id}`);
      });
    },
  });
  const departments = useDepartments().data;
  if (plan === undefined) return null;
  const asked = askedBy(plan, subject.alert);
  const title = (code: string) => departments?.find((one) => one.code === code)?.title ?? { "zh-CN": code, en: code };
  const steps = stepsWith(plan.steps, asked, given.value, title);
  const units = unitsOf(steps);
  const parameters = toSend(asked, given.value);
  const send = () => {
    if (dispatch.isPending || applying) return;
    shelf.put({ key: "", id });
    dispatch.mutate({
      path: subject.path,
      body: { plan: plan.digest, ...(Object.keys(parameters).length > 0 ? { parameters } : {}) },
    });
  };
  const { error } = dispatch;
  const refused = error instanceof Problem && typeof error.more.parameter === "string" ? error : null;
  const wrong = refused && {
    name: String(refused.more.parameter),
    why: [refused.detail, refused.remedy?.slice(0, 200)].filter(Boolean).join(" — "),
  };
  const unsure = error instanceof Problem && (error.status === 0 || error.status >= 500);
  return (
    <div className="stack">
      <span className="quiet">{advice.reasons.map(say).join(" ")}</span>
      {plans.length > 1 ? (
        <fieldset className="choice">
          <legend>{t("dispatch.which")}</legend>
          {plans.map((one) => (
            <label key={one.digest} style={{ alignItems: "flex-start" }} data-testid="plan-choice">
              <input
                type="radio"
                name="plan"
                style={{ marginTop: 3 }}
                checked={one.digest === plan.digest}
                onChange={() => choose(one.digest)}
              />
              <span>
                <PlanName plan={one} />
                <br />
                <span className="quiet">{say(one.reason)}</span>
              </span>
            </label>
          ))}
        </fieldset>
      ) : (
        <div>
          <PlanName plan={plan} />
          <div className="quiet">{say(plan.reason)}</div>
        </div>
      )}
      <p className="quiet" style={{ margin: 0 }}>
        {t("dispatch.summary", { steps: plan.steps.length, units: units.size })}
      </p>
      {subject.underWay && <p style={{ margin: 0 }}>{t("dispatch.supersedes")}</p>}
      <PlanParameters asked={asked} given={given.value} change={given.set} wrong={wrong} />
      <StepTable steps={steps} />
      <Changes
        plan={plan}
        chosen={new Set(plan.changes.filter(ticked).map(keyOf))}
        toggle={
          mayChange
            ? (key) =>
                turned.set((before) => (before.includes(key) ? before.filter((one) => one !== key) : [...before, key]))
            : undefined
        }
      />
      <Known advice={advice} />
      {error !== null && wrong === null && <Failure error={error} />}
      {unsure && (
        <p className="late" role="status" data-testid="dispatch-unsure" style={{ margin: 0 }}>
          {t("dispatch.unsure")}
        </p>
      )}
      <div className="line sheet-actions">
        <Button variant="default" onClick={close}>
          {t("cancel")}
        </Button>
        <Button data-testid="dispatch-confirm" ref={confirm} loading={dispatch.isPending || applying} onClick={send}>
          {t("dispatch.confirm", { units: units.size })}
        </Button>
      </div>
    </div>
  );
}

const NOTHING: Given = {};
const NONE: string[] = [];

function PlanName({ plan }: { plan: AdvisedPlan }) {
  const { k, say } = useKnowledgeWords();
  return (
    <span className="line" style={{ display: "inline-flex" }}>
      <strong>{say(plan.title)}</strong>
      <span className="quiet">v{plan.version}</span>
      {!plan.exact && <span className="tag">{k("advice.notExact")}</span>}
      {plan.n > 0 && <span className="quiet">{k("advice.share", { percent: Math.round(100 * plan.score) })}</span>}
    </span>
  );
}

/** Similar cases and clauses: folded on the sheet, where the plan comes first. */
export function Known({ advice, open = false }: { advice: Advice; open?: boolean }) {
  const { k } = useKnowledgeWords();
  return (
    <>
      <details className="known" open={open} data-testid="known-cases">
        <summary>
          {k("advice.cases")} <span className="quiet numeric">{advice.cases.length}</span>
        </summary>
        <SimilarCases cases={advice.cases} />
      </details>
      <details className="known" open={open} data-testid="known-clauses">
        <summary>
          {k("advice.clauses")} <span className="quiet numeric">{advice.clauses.length}</span>
        </summary>
        <ClauseLines clauses={advice.clauses} />
      </details>
    </>
  );
}

/** Writes the ticked changes into the run that has just begun, one after the other; how many could not be written. */
async function change(run: string, wanted: readonly Proposed[], say: (text: Text) => string): Promise<number> {
  let failed = 0;
  for (const { patch, reasons, said } of wanted)
    try {
      const reason = [...reasons.map(({ text }) => say(text)), said].filter((one) => one !== "").join("; ");
      await post(`/api/runs/${encodeURIComponent(run)}/patches`, { ...patch, reason, command_id: commandId() });
    } catch {
      failed += 1;
    }
  return failed;
}

/** The steps with their departments and the moments that would hold if the plan started now. */
export function StepTable({ steps, dates = true }: { steps: AdvisedStep[]; dates?: boolean }) {
  const { t, say, language } = useWords();
  const now = useNow();
  const zone = useZone();
  const titles = new Map(steps.map(({ id, title }) => [id, say(title)]));
  const length = (iso: string | null) => {
    const seconds = isoSeconds(iso);
    return seconds === null ? (iso ?? "—") : duration(seconds, language);
  };
  const starts = (step: AdvisedStep) => {
    const delay = isoSeconds(step.delay) ?? 0;
    const later = delay > 0 ? t("step.delayed", { length: duration(delay, language) }) : "";
    if (step.after.length === 0) return later || t("step.atOnce");
    return [afterWords(step.after, titles, t), later].filter((words) => words !== "").join(t("listComma"));
  };
  const latest = latestEnds(steps);
  const deadline = (step: AdvisedStep) => {
    const end = latest.get(step.id);
    if (!dates || end === undefined || isoSeconds(step.due) === null) return null;
    return cityTime(now + end * 1000, zone, "short");
  };
  return (
    <section className="dispatch-steps" tabIndex={0} aria-label={t("step.what")}>
      <Table>
        <thead>
          <tr>
            <th data-cell="plain">{t("step.department")}</th>
            <th data-cell="title">{t("step.what")}</th>
            <th>{t("step.starts")}</th>
            <th>{t("step.acceptWithin")}</th>
            <th>{t("step.due")}</th>
          </tr>
        </thead>
        <tbody>
          {steps.map((step) => (
            <tr key={step.id}>
              <td>{say(step.unit_title)}</td>
              <td>
                {say(step.title)}
                <Reasons reasons={telling(step.reasons)} />
              </td>
              <td>{starts(step)}</td>
              <td>{length(step.accept_within)}</td>
              <td>
                {length(step.due)}
                {deadline(step) && (
                  <div className="quiet">
                    {step.after.length > 0 ? t("step.atLatest") : ""} <time>{deadline(step)}</time>
                  </div>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}

/** When each step is due at the latest, in seconds from the start: everybody before it takes all the time there is. */
export function latestEnds(steps: readonly Pick<AdvisedStep, "id" | "after" | "delay" | "due">[]): Map<string, number> {
  const known = new Map(steps.map((step) => [step.id, step]));
  const ends = new Map<string, number>();
  const end = (id: string, under: readonly string[]): number => {
    const found = ends.get(id);
    if (found !== undefined) return found;
    const step = known.get(id);
    if (step === undefined || under.includes(id)) return 0;
    const before = Math.max(0, ...step.after.map((one) => end(one, [...under, id])));
    const at = before + (isoSeconds(step.delay) ?? 0) + (isoSeconds(step.due) ?? 0);
    ends.set(id, at);
    return at;
  };
  for (const { id } of steps) end(id, []);
  return ends;
}
