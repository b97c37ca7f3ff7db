/** The last look before a plan runs: which departments, what, by when. One sheet is one command, however often pressed. */

import { Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { commandId } from "../api/client";
import { useSuggestion } from "../api/queries";
import type { Alert, PlanStep, SuggestedPlan } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { cityTime, duration, isoSeconds } from "../time/format";
import { Severity } from "./Severity";
import { Sheet } from "./Sheet";
import { Empty, Failure, Shown } from "./states";
import { afterWords } from "./steps";
import { useZone } from "./Time";
import { useTell } from "./Toast";

export function DispatchSheet({
  alert,
  digest,
  close,
}: {
  alert: Alert;
  /** The plan chosen on the page; the first suggestion when none was. */
  digest: string | null;
  close: () => void;
}) {
  const { t, say } = useWords();
  const suggestion = useSuggestion(alert.id);
  return (
    <Sheet
      close={close}
      title={
        <span className="line">
          {t("dispatch.title")}
          <Severity level={alert.level} />
          {say(alert.subject.name)}
        </span>
      }
    >
      <Shown of={suggestion}>
        {({ plans }) =>
          plans.length === 0 ? (
            <Empty title={t("plans.empty")}>{t("plans.emptyWhy")}</Empty>
          ) : (
            <Choice alert={alert} plans={plans} digest={digest} close={close} />
          )
        }
      </Shown>
    </Sheet>
  );
}

function Choice({
  alert,
  plans,
  digest,
  close,
}: {
  alert: Alert;
  plans: SuggestedPlan[];
  digest: string | null;
  close: () => void;
}) {
  const { t, say } = useWords();
  const tell = useTell();
  const [, go] = useLocation();
  const confirm = useRef<HTMLButtonElement>(null);
  // The plans come after the sheet has opened, too late for the sheet's own focus.
  useEffect(() => confirm.current?.focus({ preventScroll: true }), []);
  const [chosen, setChosen] = useState(digest ?? plans[0]?.digest ?? "");
  const plan = plans.find((one) => one.digest === chosen) ?? plans[0];
  // Made when the sheet opens: whatever is pressed on it, and however often, is one command.
  const [id] = useState(commandId);
  const dispatch = useCommand<{ incident_id: string; run_id: string }>({
    id,
    done: ({ incident_id }) => {
      tell.done(t("dispatch.done"));
      close();
      go(`/incidents/${incident_id}`);
    },
  });
  if (plan === undefined) return null;
  const units = new Set(plan.steps.map(({ unit }) => unit));
  return (
    <div className="stack">
      {plans.length > 1 && (
        <fieldset className="choice">
          <legend>{t("dispatch.which")}</legend>
          {plans.map((one) => (
            <label key={one.digest}>
              <input
                type="radio"
                name="plan"
                checked={one.digest === plan.digest}
                onChange={() => setChosen(one.digest)}
              />
              {say(one.title)} · v{one.version}
            </label>
          ))}
        </fieldset>
      )}
      {plans.length === 1 && (
        <div>
          <strong>{say(plan.title)}</strong> <span className="quiet">v{plan.version}</span>
        </div>
      )}
      <p className="quiet" style={{ margin: 0 }}>
        {t("dispatch.summary", { steps: plan.steps.length, units: units.size })}
      </p>
      {alert.incident_id !== null && <p style={{ margin: 0 }}>{t("dispatch.supersedes")}</p>}
      <StepTable steps={plan.steps} />
      {dispatch.error !== null && <Failure error={dispatch.error} />}
      <div className="line sheet-actions">
        <Button variant="default" onClick={close}>
          {t("cancel")}
        </Button>
        <Button
          data-testid="dispatch-confirm"
          ref={confirm}
          loading={dispatch.isPending}
          onClick={() =>
            dispatch.mutate({
              path: `/api/alerts/${encodeURIComponent(alert.id)}/dispatch`,
              body: { plan: plan.digest },
            })
          }
        >
          {t("dispatch.confirm", { units: units.size })}
        </Button>
      </div>
    </div>
  );
}

/** The steps with their departments and the moments that would hold if the plan started now. */
export function StepTable({ steps, dates = true }: { steps: PlanStep[]; dates?: boolean }) {
  const { t, say, language } = useWords();
  const now = useNow();
  const zone = useZone();
  const titles = new Map(steps.map(({ id, title }) => [id, say(title)]));
  const length = (iso: string | null) => {
    const seconds = isoSeconds(iso);
    return seconds === null ? (iso ?? "—") : duration(seconds, language);
  };
  const starts = (step: PlanStep) => {
    const delay = isoSeconds(step.delay) ?? 0;
    const later = delay > 0 ? t("step.delayed", { length: duration(delay, language) }) : "";
    if (step.after.length === 0) return later || t("step.atOnce");
    return [afterWords(step.after, titles, t), later].filter((words) => words !== "").join(t("listComma"));
  };
  const deadline = (step: PlanStep) => {
    const due = isoSeconds(step.due);
    const delay = isoSeconds(step.delay) ?? 0;
    if (!dates || due === null || step.after.length > 0) return null;
    return cityTime(now + (delay + due) * 1000, zone, "short");
  };
  return (
    <div style={{ maxHeight: "46vh", overflow: "auto" }}>
      <table className="table">
        <thead>
          <tr>
            <th>{t("step.department")}</th>
            <th>{t("step.what")}</th>
            <th>{t("step.starts")}</th>
            <th>{t("step.acceptWithin")}</th>
            <th>{t("step.due")}</th>
          </tr>
        </thead>
        <tbody>
          {steps.map((step) => (
            <tr key={step.id}>
              <td>{say(step.unit_title)}</td>
              <td>{say(step.title)}</td>
              <td>{starts(step)}</td>
              <td>{length(step.accept_within)}</td>
              <td>
                {length(step.due)}
                {deadline(step) && (
                  <div className="quiet">
                    <time>{deadline(step)}</time>
                  </div>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
