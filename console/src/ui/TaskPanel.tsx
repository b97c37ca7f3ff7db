/** One task whole: its clocks, what may be done with it now, receipts, whose the seconds were, who is told when late. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { get } from "../api/client";
import { useDepartments, useMay } from "../api/queries";
import type { Page, Receipt, Run, Task, Text } from "../api/types";
import { formAsked, shownPairs } from "../field/form";
import { PlaceWords } from "../field/Receiving";
import { type FieldKey, useFieldWords } from "../field/words";
import { zh } from "../field/words.zh";
import { isPhoto, Photos, photoPath } from "../handover/Photos";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { cityTime, duration } from "../time/format";
import { finished } from "./deadlines";
import { Sheet } from "./Sheet";
import { Acts } from "./TaskActs";
import { TaskStateWord } from "./TaskState";
import { Moment, useZone } from "./Time";
import { TaskClock } from "./Timeline";

export function TaskSheet({ task, close, inIncident }: { task: Task | null; close: () => void; inIncident: boolean }) {
  const { say } = useWords();
  if (task === null) return null;
  return (
    <Sheet at="side" close={close} title={say(task.title)}>
      <TaskView task={task} inIncident={inIncident} />
    </Sheet>
  );
}

export function TaskView({ task, inIncident }: { task: Task; inIncident: boolean }) {
  const { t, f, say } = useFieldWords();
  const now = useNow();
  return (
    <div className="stack" style={{ gap: 16 }} data-testid="task-panel" data-state={task.state}>
      <div className="line" style={{ justifyContent: "space-between" }}>
        <TaskStateWord task={task} now={now} />
        <TaskClock task={task} now={now} />
      </div>
      <Acts key={`${task.id}${task.state}`} task={task} />
      <dl className="pairs">
        <dt>{t("task.unit")}</dt>
        <dd>
          {say(task.unit_title)}
          {task.person && ` · ${say(task.person.name)}`}
        </dd>
        {task.round > 1 && (
          <>
            <dt>{t("task.roundLabel")}</dt>
            <dd>{t("task.round", { n: task.round })}</dd>
          </>
        )}
        <Dated label={t("task.plannedAt")} at={task.dispatched_at === null ? task.planned_at : null} />
        <Dated label={t("task.dispatchedAt")} at={task.dispatched_at} />
        <Dated label={t("task.acceptBy")} at={task.accept_due} />
        <Dated label={t("task.acceptedAt")} at={task.accepted_at} />
        <Dated label={t("task.dueAt")} at={task.due} />
        <Dated label={t("task.extensionAsked")} at={task.extension_until ?? null} />
        <Dated label={t("task.submittedAt")} at={task.submitted_at} />
        <Dated label={t("task.closedAt")} at={task.closed_at} />
        <dt>{f("task.times")}</dt>
        <dd>{f(task.clock === "working" ? "task.working" : "task.elapsed")}</dd>
        {task.satisfied && (
          <>
            <dt>{f("evaluate.is")}</dt>
            <dd>{f(`evaluate.${task.satisfied}`)}</dd>
          </>
        )}
        <OnDuty unit={task.unit} over={finished(task)} />
        <Clauses ids={task.clauses ?? []} />
        <dt>{t("task.evidence")}</dt>
        <dd>
          {task.evidence.length === 0
            ? t("task.noEvidence")
            : task.evidence
                .map(({ kind, min }) => t("task.evidenceOf", { kind: t(`evidence.${kind}`), min }))
                .join(t("listComma"))}
        </dd>
        {task.verify_by && (
          <>
            <dt>{t("task.verifyBy")}</dt>
            <dd>
              <Verifier id={task.verify_by} />
            </dd>
          </>
        )}
        {!inIncident && (
          <>
            <dt>{t("task.incident")}</dt>
            <dd>
              <Link href={`/incidents/${task.incident_id}?task=${task.id}`}>
                {say(task.incident_title) || t("task.openIncident")}
              </Link>
            </dd>
          </>
        )}
      </dl>
      <Receipts task={task} receipts={task.receipts} />
      <Rounds task={task} />
      <Custody task={task} />
      <Ladder task={task} />
    </div>
  );
}

const ROLES = ["coordinator", "duty_officer", "mayor"] as const;

/** A role by its title, else the department of that code. */
function Verifier({ id }: { id: string }) {
  const { t, say } = useWords();
  const departments = useDepartments().data;
  const role = ROLES.find((one) => one === id);
  return <>{role ? t(`role.${role}`) : say(departments?.find(({ code }) => code === id)?.title) || id}</>;
}

const HELD = ["waiting", "to_accept", "to_do", "to_verify", "return", "suspended", "extension", "misdispatch"] as const;
const isHeld = (reason: string | null): reason is (typeof HELD)[number] =>
  (HELD as readonly (string | null)[]).includes(reason);

function Dated({ label, at }: { label: string; at: string | null }) {
  if (at === null) return null;
  return (
    <>
      <dt>{label}</dt>
      <dd>
        <Moment at={at} ago />
      </dd>
    </>
  );
}

interface OnDutyRow {
  person: { name: Text };
  to: string;
}

/** Who answers for the department at this moment; nothing where there is no roster. */
function OnDuty({ unit, over }: { unit: string; over: boolean }) {
  const { f, say } = useFieldWords();
  const zone = useZone();
  const may = useMay("duty.read");
  const duty = useQuery({
    queryKey: ["duty"], // as the duty pages ask it
    queryFn: () => get<{ items: { unit: string; on_duty: OnDutyRow[] }[] }>("/api/duty"),
    enabled: may && !over,
    staleTime: 60_000,
  });
  const roster = duty.data?.items.find((one) => one.unit === unit);
  if (over || roster === undefined) return null;
  const people = roster.on_duty;
  return (
    <>
      <dt>{f("task.onDuty")}</dt>
      <dd data-testid="task-on-duty">
        {people.length === 0 && <span className="late">{f("task.nobody")}</span>}
        {people.map(({ person, to }) => (
          <div key={`${say(person.name)}${to}`}>
            {say(person.name)} <span className="quiet">{f("task.until", { time: cityTime(to, zone, "hour") })}</span>
          </div>
        ))}
      </dd>
    </>
  );
}

interface Clause {
  id: string;
  title: Text;
  law: Text | string;
  article: string | null;
}

/** The clauses that mandate the step, by their titles. */
function Clauses({ ids }: { ids: string[] }) {
  const { f, say } = useFieldWords();
  const may = useMay("case.read");
  const clauses = useQuery({
    queryKey: ["clauses"],
    queryFn: () => get<Page<Clause>>("/api/clauses"),
    enabled: may && ids.length > 0,
    staleTime: 600_000,
  });
  if (ids.length === 0) return null;
  return (
    <>
      <dt>{f("task.why")}</dt>
      <dd data-testid="task-clauses">
        {ids.map((id) => {
          const found = clauses.data?.items.find((one) => one.id === id);
          return (
            <div key={id}>
              {found ? say(found.title) : id}
              {found && <span className="quiet"> · {[say(found.law), found.article].filter(Boolean).join(" ")}</span>}
            </div>
          );
        })}
      </dd>
    </>
  );
}

const outcomeKey = (outcome: string | null | undefined): FieldKey | null =>
  outcome && `outcome.${outcome}` in zh ? (`outcome.${outcome}` as FieldKey) : null;

/** The rounds of the same step one below the other: who had it, how it ended, what was handed in. */
function Rounds({ task }: { task: Task }) {
  const { t, f, say } = useFieldWords();
  const may = useMay("incident.read");
  const run = useQuery({
    queryKey: ["tasks", "run", task.run_id],
    queryFn: () => get<Run>(`/api/runs/${encodeURIComponent(task.run_id)}`),
    enabled: may && (task.round > 1 || finished(task)),
  });
  const rounds = (run.data?.tasks ?? []).filter(({ step }) => step === task.step).sort((a, b) => a.round - b.round);
  if (rounds.length < 2) return null;
  return (
    <section className="stack" data-testid="task-rounds">
      <h3 style={{ margin: 0 }}>{f("task.rounds")}</h3>
      <ol className="rounds">
        {rounds.map((one) => {
          const ended = outcomeKey(one.outcome);
          const last = one.receipts.at(-1);
          return (
            <li key={one.id} aria-current={one.id === task.id ? "true" : undefined}>
              <span className="line">
                {one.id === task.id ? (
                  <strong>{t("task.round", { n: one.round })}</strong>
                ) : (
                  <Link href={`/tasks/${encodeURIComponent(one.id)}`}>{t("task.round", { n: one.round })}</Link>
                )}
                <span>{say(one.unit_title)}</span>
                <span className="quiet">{ended ? f(ended) : t(`task.${one.state}`)}</span>
                {one.closed_at && (
                  <span className="quiet">
                    <Moment at={one.closed_at} shape="short" />
                  </span>
                )}
              </span>
              {last?.note && <q className="quiet">{last.note}</q>}
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function Receipts({ task, receipts }: { task: Task; receipts: Receipt[] }) {
  const { t, f, say, number, language } = useFieldWords();
  const schema = formAsked(task.evidence);
  return (
    <section className="stack">
      <h3 style={{ margin: 0 }}>{t("receipts.title")}</h3>
      {receipts.length === 0 && <span className="quiet">{t("receipts.empty")}</span>}
      {receipts.map((receipt) => (
        <div
          key={receipt.id}
          className="stack"
          style={{ borderLeft: "2px solid var(--line)", gap: 2, paddingLeft: 10 }}
          data-testid="receipt"
        >
          <span className="quiet">
            {say(receipt.by.name)} ·{" "}
            {receipt.done_at && (
              <span data-testid="receipt-done">
                {f("receipt.doneAt")} <Moment at={receipt.done_at} /> ·{" "}
              </span>
            )}
            {receipt.done_at && `${f("receipt.receivedAt")} `}
            <Moment at={receipt.at} />
          </span>
          <ClockOff seconds={receipt.clock_off_seconds} />
          {receipt.note && <span style={{ whiteSpace: "pre-line" }}>{receipt.note}</span>}
          {receipt.place && (
            <span>
              <span className="quiet">{f("receipt.place")}</span> <PlaceWords place={receipt.place} />
            </span>
          )}
          {receipt.form && Object.keys(receipt.form).length > 0 && (
            <dl className="pairs">
              {shownPairs(schema, receipt.form, language).map(({ name, title, value }) => (
                <FormPair key={name} field={say(title)} value={value} />
              ))}
            </dl>
          )}
          <Photos
            photos={receipt.files
              .filter(({ media }) => isPhoto(media))
              .map(({ name, sha256 }) => ({ name, path: photoPath(task.id, sha256), caption: say(task.unit_title) }))}
          />
          {receipt.files.map((file) => (
            <span key={file.sha256}>
              <a href={photoPath(task.id, file.sha256)}>{file.name}</a>{" "}
              <span className="quiet">
                {t("receipts.file", { kb: number(file.bytes / 1024), digest: file.sha256.slice(0, 12) })}
              </span>
            </span>
          ))}
        </div>
      ))}
    </section>
  );
}

/** A phone's clock that was off by more than a minute is worth a word. */
function ClockOff({ seconds }: { seconds: number | null | undefined }) {
  const { f, language } = useFieldWords();
  if (seconds === null || seconds === undefined || Math.abs(seconds) < 60) return null;
  const length = duration(Math.abs(seconds), language);
  return <span className="quiet">{f(seconds > 0 ? "receipt.clockOff" : "receipt.clockAhead", { length })}</span>;
}

function FormPair({ field, value }: { field: string; value: string }) {
  return (
    <>
      <dt>{field}</dt>
      <dd>{value}</dd>
    </>
  );
}

function Custody({ task }: { task: Task }) {
  const { t, say, language } = useWords();
  const total = task.custody.reduce((sum, { seconds }) => sum + seconds, 0);
  if (task.custody.length === 0) return null;
  return (
    <section className="stack">
      <h3 style={{ margin: 0 }}>{t("custody.title")}</h3>
      <div className="custody" aria-hidden="true">
        {task.custody.map((one) => (
          <span
            key={`${one.holder}${one.from}`}
            data-charged={one.charged}
            style={{ flexGrow: Math.max(1, one.seconds) }}
            title={`${say(one.holder_title)} ${duration(one.seconds, language)}`}
          />
        ))}
      </div>
      <table className="table">
        <thead>
          <tr>
            <th>{t("custody.holder")}</th>
            <th>{t("custody.reason")}</th>
            <th className="right">{t("custody.time")}</th>
          </tr>
        </thead>
        <tbody>
          {task.custody.map((one) => (
            <tr key={`${one.holder}${one.from}`}>
              <td>{say(one.holder_title)}</td>
              <td>
                {isHeld(one.reason) ? t(`held.${one.reason}`) : (one.reason ?? "—")}{" "}
                {!one.charged && <span className="tag">{t("custody.notCharged")}</span>}
              </td>
              <td className="right">{duration(one.seconds, language)}</td>
            </tr>
          ))}
          <tr>
            <td colSpan={2}>
              <strong>{t("custody.total")}</strong>
            </td>
            <td className="right">
              <strong>{duration(total, language)}</strong>
            </td>
          </tr>
        </tbody>
      </table>
    </section>
  );
}

function Ladder({ task }: { task: Task }) {
  const { t, say } = useWords();
  if (task.escalations.length === 0) return null;
  return (
    <section className="stack">
      <h3 style={{ margin: 0 }}>{t("ladder.title")}</h3>
      <ol className="ladder">
        {task.escalations.map((rung) => (
          <li key={`${rung.at}${rung.to}`} data-fired={rung.fired_at !== null}>
            <div>{say(rung.to_title)}</div>
            <div className="quiet">
              {rung.fired_at === null ? t("ladder.willFire") : t("ladder.fired")}{" "}
              <Moment at={rung.fired_at ?? rung.at} />
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
