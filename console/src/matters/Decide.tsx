/** Who gets a matter: the proposal is chosen already, so that agreeing is one click; another choice asks for its reason. */

import { Button, NativeSelect, Textarea } from "@mantine/core";
import { useState } from "react";
import { useLocation } from "wouter";
import { useDepartments } from "../api/queries";
import type { Level } from "../api/types";
import { useCommand } from "../api/useCommand";
import { SeverityMark } from "../ui/Severity";
import { Failure, Panel } from "../ui/states";
import { useTell } from "../ui/Toast";
import type { MatterDetail } from "./types";
import { useMatterWords } from "./words";

const LEVELS = [
  [1, "severity.red"],
  [2, "severity.orange"],
  [3, "severity.yellow"],
  [4, "severity.blue"],
] as const;

type Choice = { to: "unit"; code: string } | { to: "plan"; digest: string } | { to: "other" };

export function Decide({ matter }: { matter: MatterDetail }) {
  const { m, t, say, likely } = useMatterWords();
  const tell = useTell();
  const [, go] = useLocation();
  const { proposed, plans } = matter;
  const departments = useDepartments().data ?? [];
  const [choice, setChoice] = useState<Choice | null>(
    proposed.unit === null ? null : { to: "unit", code: proposed.unit },
  );
  const [other, setOther] = useState("");
  const [level, setLevel] = useState<Level>(proposed.level ?? 4);
  const [reason, setReason] = useState("");
  const dispatch = useCommand<{ matter_id: string; incident_id: string | null }>({
    done: ({ incident_id }) => {
      tell.done(m("decide.done"));
      if (incident_id) go(`/incidents/${incident_id}`);
    },
  });
  const unit = choice?.to === "unit" ? choice.code : choice?.to === "other" ? other : "";
  const plan = choice?.to === "plan" ? choice.digest : null;
  const ready = plan !== null || unit !== "";
  const asks = proposed.unit !== null && unit !== "" && unit !== proposed.unit;
  const named =
    say(proposed.candidates.find((one) => one.unit === unit)?.unit_title) ||
    say(departments.find(({ code }) => code === unit)?.title) ||
    unit;
  const chosen = (one: Choice) => JSON.stringify(one) === JSON.stringify(choice);
  return (
    <Panel
      title={m("decide.title")}
      aside={<span className="quiet">{m(proposed.rule ? "decide.rule" : "decide.proposed")}</span>}
    >
      <form
        className="body stack"
        data-testid="decide"
        onSubmit={(event) => {
          event.preventDefault();
          if (!ready || dispatch.isPending) return;
          dispatch.mutate({
            path: `/api/matters/${encodeURIComponent(matter.id)}/dispatch`,
            body: { unit: unit || null, plan, level, reason: reason.trim() },
          });
        }}
      >
        {proposed.plan && <span>{m("decide.rulePlan", { plan: proposed.plan })}</span>}
        {proposed.unit === null && (
          <div>
            <strong>{m("decide.none")}</strong>
            <div className="quiet">{m("decide.noneWhy")}</div>
          </div>
        )}
        <fieldset className="stack" style={{ border: 0, margin: 0, padding: 0 }}>
          <legend className="unseen">{m("decide.units")}</legend>
          {proposed.candidates.map((one) => (
            <label key={one.unit} className="option" data-testid="candidate">
              <input
                type="radio"
                name="to"
                checked={chosen({ to: "unit", code: one.unit })}
                onChange={() => setChoice({ to: "unit", code: one.unit })}
              />
              <span className="line" style={{ justifyContent: "space-between" }}>
                <strong>{say(one.unit_title) || one.unit}</strong>
                <span className="quiet">{likely(one.score)}</span>
              </span>
              <span className="more likely" aria-hidden="true">
                <span style={{ width: `${Math.round(100 * one.score)}%` }} />
              </span>
              <span className="more quiet">{one.reasons.map(say).join(t("listComma"))}</span>
            </label>
          ))}
          <label className="option">
            <input
              type="radio"
              name="to"
              checked={chosen({ to: "other" })}
              onChange={() => setChoice({ to: "other" })}
            />
            <span>{m("decide.other")}</span>
            {choice?.to === "other" && (
              <span className="more">
                <NativeSelect
                  aria-label={m("decide.otherChoose")}
                  data-testid="other-unit"
                  data={[
                    { value: "", label: m("decide.otherChoose") },
                    ...departments.map(({ code, title }) => ({ value: code, label: say(title) })),
                  ]}
                  value={other}
                  onChange={(event) => setOther(event.currentTarget.value)}
                />
              </span>
            )}
          </label>
          {plans.length > 0 && <span className="quiet">{m("decide.plans")}</span>}
          {plans.map((one) => (
            <label key={one.digest} className="option" data-testid="plan-option">
              <input
                type="radio"
                name="to"
                checked={chosen({ to: "plan", digest: one.digest })}
                onChange={() => setChoice({ to: "plan", digest: one.digest })}
              />
              <strong>{say(one.title)}</strong>
              <span className="more quiet">{say(one.reason)}</span>
            </label>
          ))}
        </fieldset>
        <NativeSelect
          label={m("decide.level")}
          leftSection={<SeverityMark level={level} />}
          data={LEVELS.map(([value, key]) => ({ value: String(value), label: t(key) }))}
          value={String(level)}
          onChange={(event) => setLevel(Number(event.currentTarget.value) as Level)}
        />
        {asks && (
          <Textarea
            label={m("decide.reason")}
            description={m("decide.reasonHint")}
            required
            autosize
            minRows={2}
            data-testid="decide-reason"
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
        )}
        {dispatch.error !== null && <Failure error={dispatch.error} />}
        <Button type="submit" disabled={!ready} loading={dispatch.isPending} data-testid="decide-confirm">
          {plan !== null ? m("decide.confirmPlan") : unit ? m("decide.confirm", { unit: named }) : m("decide.choose")}
        </Button>
      </form>
    </Panel>
  );
}
