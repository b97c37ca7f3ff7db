/** Beside an open incident: what was done in cases like it, what clauses ask for, what could be changed in its run. */

import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import { useMay } from "../api/queries";
import type { IncidentDetail, Run } from "../api/types";
import { useCommand } from "../api/useCommand";
import { Sheet } from "../ui/Sheet";
import { Failure, Panel, Shown } from "../ui/states";
import { useTell } from "../ui/Toast";
import { ClauseLines, keyOf, ProposedWords, SimilarCases } from "./Advice";
import { useAdvice } from "./suggestion";
import type { Advice, AdvisedPlan, Proposed } from "./types";
import { useKnowledgeWords } from "./words";

export default function IncidentAdvice({ incident }: { incident: IncidentDetail }) {
  const { k, say } = useKnowledgeWords();
  const advice = useAdvice({ of: "incident", id: incident.id });
  return (
    <Panel title={k("advice.title")}>
      <Shown of={advice}>
        {(known) => (
          <div className="advice" data-testid="incident-advice">
            <div className="body">
              {known.silence ? (
                <span data-testid="advice-silent">
                  <strong>{k("advice.silent")}</strong> <span className="quiet">{say(known.silence)}</span>
                </span>
              ) : (
                <span className="quiet">{known.reasons.map(say).join(" ")}</span>
              )}
            </div>
            <ForRuns incident={incident} advice={known} />
            <h3 className="section">{k("advice.cases")}</h3>
            <SimilarCases cases={known.cases} />
            <h3 className="section">{k("advice.clauses")}</h3>
            <ClauseLines clauses={known.clauses} />
          </div>
        )}
      </Shown>
    </Panel>
  );
}

/** Changes that cases or clauses speak for and that the run under way does not have. */
function ForRuns({ incident, advice }: { incident: IncidentDetail; advice: Advice }) {
  const { k } = useKnowledgeWords();
  const mayChange = useMay("run.patch");
  const [asked, setAsked] = useState<{ run: Run; change: Proposed; plan: AdvisedPlan } | null>(null);
  const found = incident.runs
    .filter(({ closed_at }) => closed_at === null)
    .flatMap((run) =>
      advice.plans
        .filter(({ digest }) => digest === run.plan.digest)
        .flatMap((plan) =>
          plan.changes.filter((change) => !done(run, change)).map((change) => ({ run, change, plan })),
        ),
    );
  if (found.length === 0) return null;
  return (
    <div className="body">
      <fieldset className="changes">
        <legend>{k("advice.changes")}</legend>
        <span className="quiet">{k("advice.changesRead")}</span>
        {found.map((one) => (
          <div
            key={`${one.run.id} ${keyOf(one.change)}`}
            className="change"
            style={{ gridTemplateColumns: "1fr auto" }}
          >
            <span>
              <ProposedWords change={one.change} plan={one.plan} />
            </span>
            {mayChange && one.change.patch !== null && (
              <Button size="compact-sm" variant="default" data-testid="advice-apply" onClick={() => setAsked(one)}>
                {k("advice.apply")}
              </Button>
            )}
          </div>
        ))}
      </fieldset>
      {asked !== null && <Apply {...asked} close={() => setAsked(null)} />}
    </div>
  );
}

/** Whether the run has the change already: made by hand, or there from the start. */
function done(run: Run, change: Proposed): boolean {
  const made = (run.patches ?? []).some((patch) => patch.op === change.op && patch.step === change.step);
  if (made) return true;
  const task = run.tasks.filter(({ step }) => step === change.step).at(-1);
  if (change.op === "add") return task !== undefined;
  if (change.op === "reassign") return task?.unit === change.unit;
  return task === undefined || task.closed_at !== null;
}

function Apply({ run, change, plan, close }: { run: Run; change: Proposed; plan: AdvisedPlan; close: () => void }) {
  const { k, t, say } = useKnowledgeWords();
  const tell = useTell();
  const [reason, setReason] = useState(change.reasons.map(({ text }) => say(text)).join("; "));
  const send = useCommand<unknown>({
    done: () => {
      tell.done(k("advice.applied"));
      close();
    },
  });
  return (
    <Sheet close={close} title={k("advice.applyTitle")}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!send.isPending && reason.trim() !== "")
            send.mutate({
              path: `/api/runs/${encodeURIComponent(run.id)}/patches`,
              body: { ...change.patch, reason: reason.trim() },
            });
        }}
      >
        <div>
          <ProposedWords change={change} plan={plan} />
        </div>
        <Textarea
          label={k("advice.applyReason")}
          required
          autosize
          minRows={2}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {send.error !== null && <Failure error={send.error} />}
        <div className="line sheet-actions">
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={send.isPending} data-testid="advice-apply-confirm">
            {k("advice.applyConfirm")}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
