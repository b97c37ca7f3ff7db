/** One task whole: its clocks, what may be done with it now, receipts, whose the seconds were, who is told when late. */

import { Link } from "wouter";
import { useDepartments } from "../api/queries";
import type { Receipt, Task } from "../api/types";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { duration } from "../time/format";
import { Sheet } from "./Sheet";
import { Acts } from "./TaskActs";
import { TaskStateWord } from "./TaskState";
import { Moment } from "./Time";
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

function TaskView({ task, inIncident }: { task: Task; inIncident: boolean }) {
  const { t, say } = useWords();
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
              <Link href={`/incidents/${task.incident_id}?task=${task.id}`}>{t("task.openIncident")}</Link>
            </dd>
          </>
        )}
      </dl>
      <Receipts task={task.id} receipts={task.receipts} />
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

function Receipts({ task, receipts }: { task: string; receipts: Receipt[] }) {
  const { t, say, number } = useWords();
  return (
    <section className="stack">
      <h3 style={{ margin: 0 }}>{t("receipts.title")}</h3>
      {receipts.length === 0 && <span className="quiet">{t("receipts.empty")}</span>}
      {receipts.map((receipt) => (
        <div
          key={receipt.id}
          className="stack"
          style={{ borderLeft: "2px solid var(--line)", gap: 2, paddingLeft: 10 }}
        >
          <span className="quiet">
            {say(receipt.by.name)} · <Moment at={receipt.at} />
          </span>
          {receipt.note && <span style={{ whiteSpace: "pre-line" }}>{receipt.note}</span>}
          {receipt.form && Object.keys(receipt.form).length > 0 && (
            <dl className="pairs">
              {Object.entries(receipt.form).map(([field, value]) => (
                <FormPair key={field} field={field} value={String(value ?? "—")} />
              ))}
            </dl>
          )}
          {receipt.files.map((file) => (
            <span key={file.sha256}>
              <a href={`/api/tasks/${encodeURIComponent(task)}/files/${file.sha256}`}>{file.name}</a>{" "}
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

function FormPair({ field, value }: { field: string; value: string }) {
  const { t } = useWords();
  const known = field === "summary" || field === "count";
  return (
    <>
      <dt>{known ? t(`form.${field}`) : field}</dt>
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
