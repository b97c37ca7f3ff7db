/** A run under way is changed by a named person with a reason: a step more, a step less, another department, more time. */

import { Button, NativeSelect, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useDepartments } from "../api/queries";
import type { Run, Task, Text } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useNow } from "../live/LiveProvider";
import { cityTime, zoneOffset } from "../time/format";
import { DateField } from "../ui/DateField";
import { finished } from "../ui/deadlines";
import { Sheet } from "../ui/Sheet";
import { Failure } from "../ui/states";
import { Moment, useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { BothLanguages, EvidenceParts, Group, LengthField, WhoField } from "./parts";
import type { AskedEvidence } from "./types";
import { usePlanWords } from "./words";

const CHANGES = ["add", "skip", "reassign", "extend"] as const;
type Change = (typeof CHANGES)[number];

/** Each step once, with the round that is under way. */
export function newest(tasks: readonly Task[]): Task[] {
  const found = new Map<string, Task>();
  for (const task of tasks) {
    const before = found.get(task.step);
    if (before === undefined || before.round <= task.round) found.set(task.step, task);
  }
  return [...found.values()];
}

/** A name for a step that the run does not have yet. */
export function freshId(taken: ReadonlySet<string>): string {
  let number = 1;
  while (taken.has(`added-${number}`)) number += 1;
  return `added-${number}`;
}

export default function ChangeRun({ run, close }: { run: Run; close: () => void }) {
  const words = usePlanWords();
  const { t, p, say } = words;
  const tell = useTell();
  const now = useNow();
  const zone = useZone();
  const departments = useDepartments().data;
  const open = newest(run.tasks).filter((task) => !finished(task));
  const [change, setChange] = useState<Change>("add");
  const [step, setStep] = useState("");
  const [unit, setUnit] = useState<string | null>(null);
  const [title, setTitle] = useState<Text>({ "zh-CN": "", en: "" });
  const [after, setAfter] = useState("");
  const [accept, setAccept] = useState<string | null>("PT30M");
  const [due, setDue] = useState<string | null>("PT3H");
  const [evidence, setEvidence] = useState<AskedEvidence[]>([{ kind: "note", min: 1 }]);
  const [reason, setReason] = useState("");
  const [until, setUntil] = useState("");
  const [lacking, setLacking] = useState<string | null>(null);
  const send = useCommand<unknown>({
    done: () => {
      tell.done(p("change.done"));
      close();
    },
  });
  const chosen = open.find((task) => task.step === step);
  const steps = [
    { value: "", label: p("change.chooseStep") },
    ...open.map((task) => ({
      value: task.step,
      label: `${say(task.title)} · ${say(task.unit_title)} · ${t(`task.${task.state}`)}`,
    })),
  ];
  const choose = (id: string) => {
    setStep(id);
    const task = open.find((one) => one.step === id);
    const start = Math.max(now, task?.due ? Date.parse(task.due) : 0) + 2 * 3_600_000;
    setUntil(cityTime(start, zone).replace(" ", "T"));
  };

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const body: Record<string, unknown> = { op: change, reason: reason.trim() };
    if (change === "add") {
      if (unit === null || accept === null || due === null) {
        setLacking(p("change.lacking"));
        return;
      }
      body.step = {
        id: freshId(new Set(run.tasks.map((task) => task.step))),
        title: { "zh-CN": title["zh-CN"] || title.en, en: title.en || title["zh-CN"] },
        unit,
        ...(after === "" ? {} : { after: [after] }),
        accept_within: accept,
        due,
        evidence,
      };
    } else {
      body.step = step;
      if (change === "reassign") body.unit = unit;
      if (change === "extend") {
        const wall = Date.parse(`${until}:00Z`);
        body.due = new Date(wall - zoneOffset(wall, zone)).toISOString();
      }
    }
    setLacking(null);
    send.mutate({ path: `/api/runs/${encodeURIComponent(run.id)}/patches`, body });
  };

  return (
    <Sheet close={close} title={p("change.title")}>
      <form className="stack" onSubmit={submit} data-testid="change-form">
        <span className="quiet">{p("change.meaning")}</span>
        <fieldset className="choice">
          <legend>{p("change.which")}</legend>
          {CHANGES.map((one) => (
            <label key={one}>
              <input
                type="radio"
                name="change"
                value={one}
                data-testid={`change-${one}`}
                checked={change === one}
                onChange={() => setChange(one)}
              />
              <span>
                <strong>{p(`change.${one}`)}</strong>
                <br />
                <span className="quiet">{p(`change.${one}Means`)}</span>
              </span>
            </label>
          ))}
        </fieldset>
        {change !== "add" && (
          <NativeSelect
            label={p("change.step")}
            required
            data-testid="change-step"
            data={steps}
            value={step}
            onChange={(event) => choose(event.currentTarget.value)}
          />
        )}
        {change === "add" && (
          <>
            <BothLanguages label={p("change.what")} value={title} change={setTitle} testid="change-title" />
            <WhoField
              label={t("step.department")}
              required
              testid="change-unit"
              departments={departments}
              value={unit}
              change={setUnit}
            />
            <NativeSelect
              label={p("change.after")}
              data={[{ value: "", label: t("step.atOnce") }, ...steps.slice(1)]}
              value={after}
              onChange={(event) => setAfter(event.currentTarget.value)}
            />
            <div className="both">
              <LengthField label={t("step.acceptWithin")} required value={accept} change={setAccept} />
              <LengthField label={t("step.due")} required value={due} change={setDue} />
            </div>
            <EvidenceParts value={evidence} change={setEvidence} />
          </>
        )}
        {change === "reassign" && (
          <WhoField
            label={p("change.toUnit")}
            required
            testid="change-unit"
            departments={departments?.filter(({ code }) => code !== chosen?.unit)}
            value={unit}
            change={setUnit}
          />
        )}
        {change === "extend" && chosen && (
          <Group title={p("change.newDue")}>
            <span className="quiet">
              {p("change.oldDue")} <Moment at={chosen.due} />
            </span>
            <DateField
              kind="datetime-local"
              label={t("act.until", { zone })}
              required
              data-testid="change-due"
              value={until}
              change={setUntil}
            />
          </Group>
        )}
        <Textarea
          label={t("act.reason")}
          description={p("change.reasonHint")}
          required
          autosize
          minRows={2}
          data-testid="change-reason"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {lacking !== null && (
          <span role="alert" className="late">
            {lacking}
          </span>
        )}
        {send.error !== null && <Failure error={send.error} />}
        <div className="line" style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={send.isPending} data-testid="change-confirm">
            {p(`change.${change}`)}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
