/** One task on the phone: by when, what is asked, and one large button for what comes next. */

import { Button, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import type { Task } from "../api/types";
import type { Key } from "../i18n";
import { cityTime, zoneOffset } from "../time/format";
import { DateField } from "../ui/DateField";
import { Empty, Loading, Panel } from "../ui/states";
import { TaskStateWord } from "../ui/TaskState";
import { useTell } from "../ui/Toast";
import { useField } from "./context";
import { FieldClock } from "./FieldClock";
import { formAsked, shownPairs } from "./form";
import { fieldVerbs, inOrder, projected, toSend } from "./queue";
import { ReceiptForm } from "./ReceiptForm";
import { PlaceWords } from "./Receiving";
import { Refused } from "./Refused";
import type { ActBody, FieldVerb } from "./types";
import { useFieldWords } from "./words";

const MAIN: readonly FieldVerb[] = ["accept", "submit"];
/** How long the button that takes another's place cannot be pressed: the second half of a double tap was not for it. */
const SETTLE_MS = 400;

export function FieldTask({ id }: { id: string }) {
  const { f, say } = useFieldWords();
  const { sync, shown, now, zone } = useField();
  const [params, setParams] = useSearchParams();
  const [, go] = useLocation();
  const tell = useTell();
  const [busy, setBusy] = useState(false);
  const stored = shown.kept.tasks.get(id);
  if (stored === undefined)
    return shown.link === "working" || shown.kept.meta.syncedAt === null ? (
      <Loading />
    ) : (
      <Panel>
        <Empty title={f("task.unknown")}>
          {f("task.unknownWhy")}
          <Link href="/field" className="thumb">
            {f("task.back")}
          </Link>
        </Empty>
      </Panel>
    );
  const acts = [...shown.kept.acts.values()];
  const task = projected(stored, acts);
  const verbs = fieldVerbs(task);
  const doing = verbs.find((verb) => verb === params.get("do") && verb !== "accept") ?? null;
  const open = (verb: FieldVerb | null) => setParams(verb === null ? {} : { do: verb }, { replace: verb === null });
  const main = MAIN.find((verb) => verbs.includes(verb));
  const refused = inOrder(acts).filter((act) => act.task === id && act.refusal !== null);

  const press = async (verb: FieldVerb, body: ActBody = {}): Promise<boolean> => {
    setBusy(true);
    try {
      await sync.press(stored, verb, body, verb === "submit" ? (sync.get().kept.drafts.get(id)?.photos ?? []) : []);
      tell.done(f("do.keptHere"));
      if (verb === "accept") open(null);
      else go("/field");
      return true;
    } catch (error) {
      const full = error instanceof DOMException && error.name === "QuotaExceededError";
      tell.failed(full ? f("do.full") : error);
      return false;
    } finally {
      setTimeout(() => setBusy(false), SETTLE_MS);
    }
  };
  return (
    <article className="stack field-task" data-testid="field-task" data-state={task.state}>
      {refused.map((act) => (
        <Refused key={act.id} act={act} />
      ))}
      <div className="line">
        <Link href="/field" className="thumb">
          ← {f("task.back")}
        </Link>
        {toSend(acts).some((act) => act.task === id) && (
          <span className="tag" data-tone="accent">
            {f("state.waitingAct")}
          </span>
        )}
      </div>
      <div>
        <h1 className="field-title">{say(task.title)}</h1>
        {task.incident_title && <span className="quiet">{say(task.incident_title)}</span>}
      </div>
      <div className="line" style={{ justifyContent: "space-between" }}>
        <TaskStateWord task={task} now={now} />
        <FieldClock task={task} />
      </div>
      {doing === "submit" ? (
        <ReceiptForm task={stored} busy={busy} send={(body) => press("submit", body)} close={() => open(null)} />
      ) : doing !== null ? (
        <Worded
          verb={doing}
          task={task}
          busy={busy}
          send={(body) => void press(doing, body)}
          close={() => open(null)}
        />
      ) : (
        <div className="field-acts">
          {main !== undefined && (
            <Button
              size="lg"
              fullWidth
              loading={busy}
              data-testid={`field-${main}`}
              onClick={({ detail }) => {
                if (detail > 1) return;
                if (main === "accept") void press("accept");
                else open(main);
              }}
            >
              {f(`do.${main}`)}
            </Button>
          )}
          <div className="field-more">
            {verbs
              .filter((verb) => verb !== main)
              .map((verb) => (
                <Button
                  key={verb}
                  size="md"
                  variant="default"
                  data-testid={`field-${verb.replace("_", "-")}`}
                  onClick={() => open(verb)}
                >
                  {f(`do.${verb}`)}
                </Button>
              ))}
          </div>
        </div>
      )}
      {doing === null && <Facts task={task} zone={zone} />}
    </article>
  );
}

function Facts({ task, zone }: { task: Task; zone: string }) {
  const { f, t, say, language } = useFieldWords();
  const { shown } = useField();
  const clauses = task.clauses ?? [];
  return (
    <>
      <dl className="pairs">
        <dt>{f("task.asks")}</dt>
        <dd>
          {task.evidence.length === 0
            ? t("task.noEvidence")
            : task.evidence
                .map(({ kind, min }) => {
                  const name = t(`evidence.${kind}` as Key);
                  return min > 1 ? t("task.evidenceOf", { kind: name, min }) : name;
                })
                .join(t("listComma"))}
        </dd>
        <Dated label={t("task.dispatchedAt")} at={task.dispatched_at} zone={zone} />
        <Dated label={t("task.acceptBy")} at={task.accept_due} zone={zone} />
        <Dated label={t("task.dueAt")} at={task.due} zone={zone} />
        <dt>{f("task.times")}</dt>
        <dd>{f(task.clock === "working" ? "task.working" : "task.elapsed")}</dd>
        {task.extension_until && (
          <>
            <dt>{t("act.asked")}</dt>
            <dd>{cityTime(task.extension_until, zone)}</dd>
          </>
        )}
        <Dated label={t("task.acceptedAt")} at={task.accepted_at} zone={zone} />
        {task.person && (
          <>
            <dt>{t("task.unit")}</dt>
            <dd>
              {say(task.unit_title)} · {say(task.person.name)}
            </dd>
          </>
        )}
        {clauses.length > 0 && (
          <>
            <dt>{f("task.why")}</dt>
            <dd>{clauses.map((id) => say(shown.kept.meta.clauses[id]) || id).join(t("listComma"))}</dd>
          </>
        )}
      </dl>
      {task.receipts.length > 0 && (
        <section className="stack">
          <h2>{t("receipts.title")}</h2>
          {task.receipts.map((receipt) => (
            <div key={receipt.id} className="field-receipt stack" data-testid="field-receipt">
              <span className="quiet">
                {say(receipt.by.name)} ·{" "}
                {receipt.done_at && `${f("receipt.doneAt")} ${cityTime(receipt.done_at, zone, "short")} · `}
                {f("receipt.receivedAt")} {cityTime(receipt.at, zone, "short")}
              </span>
              {receipt.note && <span style={{ whiteSpace: "pre-line" }}>{receipt.note}</span>}
              {receipt.place && (
                <span className="quiet">
                  <PlaceWords place={receipt.place} />
                </span>
              )}
              {receipt.form &&
                shownPairs(formAsked(task.evidence), receipt.form, language).map(({ name, title, value }) => (
                  <span key={name}>
                    <span className="quiet">{say(title)}</span> {value}
                  </span>
                ))}
              {receipt.files.length > 0 && (
                <span className="quiet">{receipt.files.map(({ name }) => name).join(t("listComma"))}</span>
              )}
            </div>
          ))}
        </section>
      )}
    </>
  );
}

function Dated({ label, at, zone }: { label: string; at: string | null; zone: string }) {
  if (at === null) return null;
  return (
    <>
      <dt>{label}</dt>
      <dd>
        <time dateTime={at}>{cityTime(at, zone, "short")}</time>
      </dd>
    </>
  );
}

interface WordedProps {
  verb: FieldVerb;
  task: Task;
  busy: boolean;
  send: (body: ActBody) => void;
  close: () => void;
}

/** Giving the task back, or asking for more time: a reason, and a clause or a date. */
function Worded({ verb, task, busy, send, close }: WordedProps) {
  const { f, t } = useFieldWords();
  const { now, zone } = useField();
  const [reason, setReason] = useState("");
  const [clause, setClause] = useState("");
  const start = Math.max(now, task.due === null ? 0 : Date.parse(task.due)) + 6 * 3_600_000;
  const [until, setUntil] = useState(() => cityTime(start, zone).replace(" ", "T"));
  const back = verb === "return";
  useEffect(() => window.scrollTo(0, 0), []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (back) return send({ reason: reason.trim(), ...(clause.trim() ? { clause: clause.trim() } : {}) });
    const wall = Date.parse(`${until}:00Z`);
    send({ reason: reason.trim(), until: new Date(wall - zoneOffset(wall, zone)).toISOString() });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <h2>{f(back ? "return.title" : "extension.title")}</h2>
      {!back && (
        <DateField
          size="md"
          kind="datetime-local"
          label={f("extension.until")}
          required
          value={until}
          change={setUntil}
        />
      )}
      <Textarea
        size="md"
        label={f(back ? "return.why" : "extension.why")}
        data-testid="field-reason"
        required
        autosize
        minRows={3}
        maxLength={10_000}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      {back && (
        <TextInput
          size="md"
          label={f("return.clause")}
          description={f("return.clauseHint")}
          maxLength={80}
          value={clause}
          onChange={(event) => setClause(event.currentTarget.value)}
        />
      )}
      <div className="field-more">
        <Button size="md" variant="default" onClick={close}>
          {t("cancel")}
        </Button>
        <Button size="md" type="submit" loading={busy} disabled={reason.trim() === ""} data-testid="field-confirm">
          {f(`do.${verb}`)}
        </Button>
      </div>
    </form>
  );
}
