/** An incident on paper: A4, black on white, everything the page has and nothing to press. Seen only by the printer. */

import { useEffect, useRef } from "react";
import { createPortal } from "react-dom";
import { useAlert, useCity, useMay } from "../api/queries";
import type { AlertDetail, CityEvent, Evidence, IncidentDetail, Task } from "../api/types";
import { useWords, type Words } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { cityTime } from "../time/format";
import { useDatasetTitle } from "../ui/DatasetName";
import { lateKey } from "../ui/deadlines";
import { severityName } from "../ui/severity";
import { Moment, useZone } from "../ui/Time";
import { useLogCheck } from "./LogCheck";
import { ReceiptBody, receiptsOf } from "./Receipts";

export interface LogLine {
  seq: number;
  at: CityEvent["at"];
  what: string;
  who: string;
  words: string;
}

export function PrintSheet({
  incident,
  log,
  ready,
}: {
  incident: IncidentDetail;
  log: readonly LogLine[];
  /** Called once the sheet and the check of the log are drawn. */
  ready: (sheet: HTMLElement) => void;
}) {
  const sheet = useRef<HTMLElement>(null);
  const { t, say } = useWords();
  const city = useCity().data;
  const zone = useZone();
  const now = useNow();
  const may = useMay("alert.read");
  const alert = useAlert(may ? incident.alert_id : null).data;
  const check = useLogCheck(incident.id, incident.log.length);
  const checked = check.data;
  const settled = check.isFetched;
  useEffect(() => {
    if (settled && sheet.current) ready(sheet.current);
  }, [settled, ready]);
  const tasks = incident.runs.flatMap((run) => run.tasks);
  const receipts = [...receiptsOf(incident)].reverse();
  return createPortal(
    <article ref={sheet} className="print-sheet" data-testid="print-sheet">
      <header>
        <p>
          {say(city?.title)} · {t("print.title")}
        </p>
        <h1>{say(incident.title)}</h1>
        <dl className="pairs">
          <dt>{t("print.number")}</dt>
          <dd className="mono">{incident.id}</dd>
          <dt>{t("incidents.level")}</dt>
          <dd>{t(`severity.${severityName(incident.level)}`)}</dd>
          <dt>{t("print.state")}</dt>
          <dd>
            {t(`incidents.${incident.state}`)}
            {incident.lifted_at && ` · ${t("lift.at")} ${cityTime(incident.lifted_at, zone)}`}
          </dd>
          <dt>{t("incidents.openedAt")}</dt>
          <dd>
            <Moment at={incident.opened_at} />
            {incident.closed_at && (
              <>
                {" "}
                · {t("incidents.closedAt")} <Moment at={incident.closed_at} />
              </>
            )}
          </dd>
          <dt>{t("print.asOf")}</dt>
          <dd>
            {cityTime(now, zone, "full")} {city?.simulated && `· ${t("clock.simulated")}`}
          </dd>
        </dl>
      </header>
      {alert && <EvidenceSummary alert={alert} />}
      <section>
        <h2>{t("incidents.tasks")}</h2>
        {incident.runs.map((run) => (
          <p key={run.id}>
            {say(run.plan.title)} v{run.plan.version} · <span className="mono">{run.plan.digest.slice(0, 12)}</span> ·{" "}
            {t("incident.started")} <Moment at={run.started_at} />
          </p>
        ))}
        <table>
          <thead>
            <tr>
              <th>{t("step.what")}</th>
              <th>{t("step.department")}</th>
              <th>{t("print.state")}</th>
              <th>{t("task.dispatchedAt")}</th>
              <th>{t("task.acceptBy")}</th>
              <th>{t("task.dueAt")}</th>
              <th>{t("task.closedAt")}</th>
            </tr>
          </thead>
          <tbody>
            {tasks.map((task) => (
              <TaskRow key={task.id} task={task} now={now} />
            ))}
          </tbody>
        </table>
      </section>
      <section>
        <h2>
          {t("receipts.title")} ({receipts.length})
        </h2>
        {receipts.length === 0 && <p>{t("receipts.empty")}</p>}
        {receipts.map(({ task, receipt }) => (
          <div key={receipt.id} className="print-receipt">
            <h3>
              {say(task.title)} · {say(task.unit_title)} · {say(receipt.by.name)} · <Moment at={receipt.at} />
            </h3>
            <ReceiptBody task={task} receipt={receipt} onPaper />
            {receipt.files.map(({ name, sha256 }) => (
              <p key={sha256} className="mono">
                {name} SHA-256 {sha256}
              </p>
            ))}
          </div>
        ))}
      </section>
      <section>
        <h2>
          {t("log.title")} ({log.length})
        </h2>
        {checked && (
          <p>
            {checked.ok
              ? `✓ ${t("log.checked", { n: checked.events })}`
              : t("log.broken", { n: checked.broken[0]?.n ?? 0, stream: checked.broken[0]?.stream ?? "" })}
          </p>
        )}
        <table>
          <tbody>
            {log.map((line) => (
              <tr key={line.seq}>
                <td className="numeric">{cityTime(line.at, zone, "full")}</td>
                <td className="tight">{line.what}</td>
                <td>{line.who}</td>
                <td>{line.words}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </article>,
    document.body,
  );
}

function TaskRow({ task, now }: { task: Task; now: number }) {
  const { t, say } = useWords();
  const late = lateKey(task, now);
  return (
    <tr>
      <td>
        {say(task.title)}
        {task.round > 1 && ` (${t("task.round", { n: task.round })})`}
      </td>
      <td>
        {say(task.unit_title)}
        {task.person && ` · ${say(task.person.name)}`}
      </td>
      <td className="tight">
        {t(`task.${task.state}`)}
        {late !== null && <strong> · {t(late)}</strong>}
      </td>
      {[task.dispatched_at, task.accept_due, task.due, task.closed_at].map((at, n) => (
        <td key={n} className="numeric">
          <Moment at={at} shape="short" />
        </td>
      ))}
    </tr>
  );
}

function EvidenceSummary({ alert }: { alert: AlertDetail }) {
  const words = useWords();
  const { t, say } = words;
  const zone = useZone();
  const titled = useDatasetTitle();
  return (
    <section>
      <h2>{t("alert.evidence")}</h2>
      <p>
        {say(alert.kind_title)} · {say(alert.subject.name)} · {t("alert.raised")} {cityTime(alert.raised_at, zone)}
      </p>
      <ul>
        {alert.reasons.map((reason) => (
          <li key={say(reason)}>{say(reason)}</li>
        ))}
      </ul>
      {alert.evidence.map((one, at) => (
        <p key={at}>
          <strong>{say(one.title)}</strong>: {inWords(one, words, zone, titled)}
        </p>
      ))}
    </section>
  );
}

/** A piece of evidence in a line: of each series where it began, its lowest, highest and last value. */
function inWords(one: Evidence, { t, say, number }: Words, zone: string, titled: (names: string) => string): string {
  if (one.type === "track") return t("print.track", { n: one.points.length, plate: one.plate });
  if (one.type === "rows") return t("print.rows", { n: one.rows.length, dataset: titled(one.dataset) });
  const lines = one.series.map(({ name, points }) => {
    const values = points.flatMap((point) => (point[1] === null ? [] : [point[1]]));
    const [first, last] = [points[0], points.at(-1)];
    if (values.length === 0 || !first || !last) return say(name);
    return t("print.series", {
      name: say(name),
      from: cityTime(first[0], zone, "short"),
      to: cityTime(last[0], zone, "short"),
      low: number(
        values.reduce((a, b) => Math.min(a, b)),
        2,
      ),
      high: number(
        values.reduce((a, b) => Math.max(a, b)),
        2,
      ),
      last: number(values.at(-1), 2),
      unit: say(one.unit),
    });
  });
  const limits = one.thresholds.map(({ name, value }) => `${say(name)} ${number(value, 2)} ${say(one.unit)}`);
  return [...lines, ...limits].join("; ");
}
