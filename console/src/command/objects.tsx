/** The object panel: one alert, incident, task, subject, vehicle or place, whatever is chosen on the command page. */

import { Button } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link } from "wouter";
import { useAlert, useIncident, useLayerSeries, useMay, useTask } from "../api/queries";
import type { Alert, Cell, Layer, LayerFeature } from "../api/types";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { bandOf } from "../map/bands";
import { type Followed, useFollowState } from "../map/following";
import { useSubject } from "../subjects/queries";
import { AlertStateTag } from "../ui/AlertQueue";
import { CellView } from "../ui/Cell";
import { finished } from "../ui/deadlines";
import { LittleFigure } from "../ui/figures";
import { Severity } from "../ui/Severity";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { TaskStateWord } from "../ui/TaskState";
import { Moment } from "../ui/Time";
import { TaskClock } from "../ui/Timeline";
import { unitWord } from "../ui/unit";
import type { Standing } from "./past";
import { type Track, useSubjectOf } from "./queries";
import { useCommandWords } from "./words";

const SERIES_HOURS = 72;

/** Charts are redrawn when the shown "now" moves; to the hour is enough for hourly data. */
const floorHour = (ms: number) => Math.floor(ms / 3_600_000) * 3_600_000;

export function AlertObject({
  alert,
  then,
  acknowledge,
  busy,
  dispatch,
  show,
  close,
}: {
  alert: Alert;
  /** How it was at the moment looked at; null at present. */
  then: Standing | null;
  acknowledge: (() => void) | null;
  busy: boolean;
  dispatch: (() => void) | null;
  /** Shows another object here. */
  show: (what: { incident?: string; subject?: string }) => void;
  close: () => void;
}) {
  const { t, c, say } = useCommandWords();
  const now = useNow();
  const detail = useAlert(alert.id);
  const subject = useSubjectOf(alert.subject, useMay("subject.read")).data;
  const evidence = detail.data?.evidence.find(({ type, withheld }) => type === "series" && !withheld?.whole);
  const withheld = evidence === undefined && detail.data?.evidence.some((one) => one.withheld?.whole);
  return (
    <Panel
      title={
        <span className="line">
          <Severity level={then ? then.level : alert.level} />
          {say(alert.kind_title)}
        </span>
      }
      aside={
        <span className="line">
          {then ? <span className="tag">{c("past.then")}</span> : <AlertStateTag alert={alert} />}
          <Button size="compact-xs" variant="default" onClick={close}>
            {t("close")}
          </Button>
        </span>
      }
    >
      <div className="body stack">
        <dl className="pairs">
          <dt>{t("alert.subject")}</dt>
          <dd>
            {subject ? (
              <button type="button" className="link" onClick={() => show({ subject: subject.id })}>
                {say(alert.subject.name)}
              </button>
            ) : (
              say(alert.subject.name)
            )}
          </dd>
          <dt>{t("alert.since")}</dt>
          <dd>
            <Moment at={alert.raised_at} ago />
          </dd>
          {alert.acknowledged_by && (
            <>
              <dt>{t("alert.acknowledgedBy")}</dt>
              <dd>{say(alert.acknowledged_by.name)}</dd>
            </>
          )}
        </dl>
        {detail.data && detail.data.reasons.length > 0 && (
          <ul style={{ margin: 0, paddingLeft: 18 }}>
            {detail.data.reasons.slice(0, 3).map((reason) => (
              <li key={say(reason)}>{say(reason)}</li>
            ))}
          </ul>
        )}
        {evidence?.type === "series" && (
          <LittleFigure evidence={evidence} now={floorHour(now)} height={190} table={false} />
        )}
        {withheld && (
          <span className="quiet" data-testid="object-withheld">
            {c("object.withheld")}
          </span>
        )}
        <div className="line">
          <Link href={`/alerts/${alert.id}`}>{t("alert.openEvidence")}</Link>
          {alert.incident_id && (
            <button
              type="button"
              className="link"
              data-testid="show-incident"
              onClick={() => show({ incident: alert.incident_id ?? "" })}
            >
              {c("object.incident")}
            </button>
          )}
        </div>
        {then && <span className="quiet">{c("past.noActs")}</span>}
        <div className="line">
          {alert.state === "raised" && acknowledge && (
            <Button variant="default" data-testid="acknowledge" loading={busy} onClick={acknowledge}>
              {t("acknowledge")}
            </Button>
          )}
          {alert.state !== "ended" && dispatch && (
            <Button
              variant={alert.incident_id === null || alert.state === "raised" ? "filled" : "default"}
              data-testid="dispatch-open"
              onClick={dispatch}
            >
              {t(alert.incident_id === null ? "dispatch.open" : "dispatch.another")}
            </Button>
          )}
        </div>
      </div>
    </Panel>
  );
}

export function PointObject({
  layer,
  feature,
  close,
}: {
  layer: Layer;
  feature: LayerFeature | null;
  close: () => void;
}) {
  const { t, say, number, language } = useWords();
  const now = useNow();
  const key = feature?.properties.key ?? null;
  const series = useLayerSeries(layer, key, SERIES_HOURS);
  if (feature === null) return null;
  const { name, value, at, stale } = feature.properties;
  const band = bandOf(layer, value);
  const more = (layer.fields ?? []).map((field) => [field, feature.properties[field] as Cell] as const);
  return (
    <Panel
      title={say(name)}
      aside={
        <Button size="compact-xs" variant="default" onClick={close}>
          {t("close")}
        </Button>
      }
    >
      <div className="body stack">
        <div className="reading numeric">
          {band && (
            <span className="swatch" style={{ alignSelf: "center", background: band.colour, height: 16, width: 16 }} />
          )}
          <strong>{number(value, 0)}</strong>
          <span>{unitWord(layer.unit, language)}</span>
          {band && <span>{say(band.label)}</span>}
          {stale && (
            <span className="tag" data-tone="late">
              {t("stale")}
            </span>
          )}
        </div>
        <div className="quiet">
          {t("asOf")} <Moment at={at} ago />
        </div>
        <h3 style={{ margin: 0 }}>{t("point.hours", { n: SERIES_HOURS })}</h3>
        <Shown of={series}>
          {(evidence) => <LittleFigure evidence={evidence} now={floorHour(now)} height={200} />}
        </Shown>
        {more.length > 0 && (
          <dl className="pairs">
            {more.map(([field, content]) => (
              <FieldPair key={field} field={field} content={content} />
            ))}
          </dl>
        )}
        <div className="quiet">
          {t("evidence.dataset")} <span className="mono">{layer.dataset}</span>
        </div>
      </div>
    </Panel>
  );
}

function FieldPair({ field, content }: { field: string; content: Cell }) {
  return (
    <>
      <dt className="mono">{field}</dt>
      <dd className="numeric">
        <CellView cell={content} />
      </dd>
    </>
  );
}

/** The same as the map, as a list: graver first. */
export function PointList({
  layer,
  features,
  selected,
  select,
}: {
  layer: Layer;
  features: readonly LayerFeature[];
  selected: string | null;
  select: (key: string) => void;
}) {
  const { t, c, say, number, language } = useCommandWords();
  const [wanted, setWanted] = useState("");
  const [most, setMost] = useState(LISTED);
  const sorted = useMemo(() => {
    const word = wanted.trim().toLowerCase();
    const chosen = word === "" ? features : features.filter((one) => matches(one, word));
    return [...chosen].sort((a, b) => (b.properties.value ?? -1) - (a.properties.value ?? -1));
  }, [features, wanted]);
  return (
    <Panel title={t("points.title")} aside={<span className="quiet">{t("points.count", { n: sorted.length })}</span>}>
      {features.length > 20 && (
        <input
          type="search"
          className="list-filter"
          data-testid="point-filter"
          aria-label={c("points.filter")}
          placeholder={c("points.filter")}
          value={wanted}
          onChange={(event) => {
            setWanted(event.currentTarget.value);
            setMost(LISTED);
          }}
        />
      )}
      {sorted.length === 0 ? (
        <Empty title={t("points.empty")}>{t("points.emptyWhy")}</Empty>
      ) : (
        <div className="flush">
          <Table>
            <thead>
              <tr>
                <th>{t("points.name")}</th>
                <th className="tight right">{unitWord(layer.unit, language) || say(layer.title)}</th>
                <th className="tight">{t("points.band")}</th>
                <th className="tight right">{t("asOf")}</th>
              </tr>
            </thead>
            <tbody>
              {sorted.slice(0, most).map(({ properties }) => {
                const band = bandOf(layer, properties.value);
                return (
                  <tr
                    key={properties.key}
                    data-link
                    aria-selected={properties.key === selected}
                    onClick={() => select(properties.key)}
                  >
                    <td>
                      <button type="button" className="link" data-testid="point-row">
                        {say(properties.name)}
                      </button>
                    </td>
                    <td className="tight right">{number(properties.value, 0)}</td>
                    <td className="tight">
                      {band ? (
                        <span className="status">
                          <span className="swatch" style={{ background: band.colour }} />
                          {say(band.label)}
                        </span>
                      ) : (
                        <span className="quiet">{t("points.noValue")}</span>
                      )}
                    </td>
                    <td className="tight right">
                      {properties.stale && (
                        <span className="tag" data-tone="late">
                          {t("stale")}
                        </span>
                      )}{" "}
                      <Moment at={properties.at} shape={properties.stale ? "short" : "hour"} />
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </Table>
          {sorted.length > most && (
            <button type="button" className="link list-more" onClick={() => setMost(most + LISTED)}>
              {c("points.more", { n: Math.min(LISTED, sorted.length - most) })}
            </button>
          )}
        </div>
      )}
    </Panel>
  );
}

const LISTED = 200;

const matches = ({ properties }: LayerFeature, word: string) =>
  [properties.key, ...Object.values(properties.name)].some((name) => name.toLowerCase().includes(word));

function CloseButton({ close }: { close: () => void }) {
  const { t } = useWords();
  return (
    <Button size="compact-xs" variant="default" data-testid="object-close" onClick={close}>
      {t("close")}
    </Button>
  );
}

/** An incident with its unfinished tasks, each with its clock. */
export function IncidentObject({
  id,
  show,
  close,
}: {
  id: string;
  show: (what: { task: string }) => void;
  close: () => void;
}) {
  const { c, t, say } = useCommandWords();
  const now = useNow();
  const incident = useIncident(id);
  return (
    <Panel title={c("object.incident")} aside={<CloseButton close={close} />}>
      <Shown of={incident}>
        {(found) => {
          const tasks = found.runs.flatMap((run) => run.tasks);
          const open = tasks.filter((task) => !finished(task));
          return (
            <div className="body stack" data-testid="incident-object">
              <span className="line">
                <Severity level={found.level} />
                <strong>{say(found.title)}</strong>
                <span className="tag">{t(`incidents.${found.state}`)}</span>
              </span>
              <span className="quiet">
                {t("incidents.openedAt")} <Moment at={found.opened_at} ago />
              </span>
              <h3 style={{ margin: 0 }}>{c("object.tasks")}</h3>
              {open.length === 0 && <span className="quiet">{c("object.noTasks")}</span>}
              <ul className="command-tasks">
                {open.map((task) => (
                  <li key={task.id}>
                    <button
                      type="button"
                      className="link"
                      data-testid="show-task"
                      onClick={() => show({ task: task.id })}
                    >
                      {say(task.title)} · {say(task.unit_title)}
                    </button>
                    <TaskStateWord task={task} now={now} />
                  </li>
                ))}
              </ul>
              <Link href={`/incidents/${found.id}`}>{c("object.openIncident")}</Link>
            </div>
          );
        }}
      </Shown>
    </Panel>
  );
}

/** One task with its clocks; what may be done with it stands on its own page. */
export function TaskObject({
  id,
  show,
  close,
}: {
  id: string;
  show: (what: { incident: string }) => void;
  close: () => void;
}) {
  const { c, t, say } = useCommandWords();
  const now = useNow();
  const task = useTask(id);
  return (
    <Panel title={task.data ? say(task.data.title) : c("object.task")} aside={<CloseButton close={close} />}>
      <Shown of={task}>
        {(found) => (
          <div className="body stack" data-testid="task-object">
            <div className="line" style={{ justifyContent: "space-between" }}>
              <TaskStateWord task={found} now={now} />
              <TaskClock task={found} now={now} />
            </div>
            <dl className="pairs">
              <dt>{t("task.unit")}</dt>
              <dd>
                {say(found.unit_title)}
                {found.person && ` · ${say(found.person.name)}`}
              </dd>
              <dt>{t("task.acceptBy")}</dt>
              <dd>
                <Moment at={found.accept_due} />
              </dd>
              <dt>{t("task.dueAt")}</dt>
              <dd>
                <Moment at={found.due} />
              </dd>
            </dl>
            <div className="line">
              <Link href={`/tasks/${found.id}`}>{c("object.openTask")}</Link>
              <button type="button" className="link" onClick={() => show({ incident: found.incident_id })}>
                {c("object.incident")}
              </button>
            </div>
          </div>
        )}
      </Shown>
    </Panel>
  );
}

export function SubjectObject({ id, close }: { id: string; close: () => void }) {
  const { c, say } = useCommandWords();
  const subject = useSubject(id);
  return (
    <Panel
      title={subject.data ? (subject.data.name ?? say(subject.data.kind_title)) : c("object.subject")}
      aside={<CloseButton close={close} />}
    >
      <Shown of={subject}>
        {(found) => (
          <div className="body stack" data-testid="subject-object">
            <span className="quiet">{say(found.kind_title)}</span>
            <dl className="pairs">
              {found.identifiers.map(({ type, title, value }) => (
                <div key={`${type}${value}`} style={{ display: "contents" }}>
                  <dt>{say(title)}</dt>
                  <dd className="mono">{value}</dd>
                </div>
              ))}
            </dl>
            <Link href={`/subjects/${found.id}`}>{c("subject.open")}</Link>
          </div>
        )}
      </Shown>
    </Panel>
  );
}

/** The vehicles in view as a list: the same as the map shows. */
export function VehicleList({
  followed,
  selected,
  select,
}: {
  followed: Followed;
  selected: string | null;
  select: (name: string) => void;
}) {
  const { c, t } = useCommandWords();
  const { count, refused } = useFollowState(followed);
  const [open, setOpen] = useState(false);
  const [most, setMost] = useState(LISTED / 4);
  const rows = open ? followed.fleet.list(most) : [];
  if (refused !== null)
    return (
      <Panel title={c("vehicles.title")}>
        <Empty title={c("vehicles.refused")}>{c("vehicles.refusedWhy")}</Empty>
      </Panel>
    );
  return (
    <Panel
      title={
        <button
          type="button"
          className="plain fold"
          data-testid="vehicle-list"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {c("vehicles.title")}
        </button>
      }
      aside={
        <span className="quiet numeric" data-testid="vehicle-count" data-count={count}>
          {c("vehicles.count", { n: count })}
        </span>
      }
    >
      {open &&
        (rows.length === 0 ? (
          <Empty title={c("vehicles.none")}>{c("vehicles.noneWhy")}</Empty>
        ) : (
          <div className="flush">
            <Table>
              <thead>
                <tr>
                  <th className="tight">{c("vehicles.name")}</th>
                  <th className="tight right">{c("vehicles.at")}</th>
                </tr>
              </thead>
              <tbody>
                {rows.map((row) => (
                  <tr key={row.name} data-link aria-selected={row.name === selected} onClick={() => select(row.name)}>
                    <td className="tight">
                      <button type="button" className="link mono" data-testid="vehicle-row">
                        {row.name}
                      </button>
                    </td>
                    <td className="tight right">
                      <Moment at={new Date(row.at * 1000).toISOString()} shape="short" />
                    </td>
                  </tr>
                ))}
              </tbody>
            </Table>
            {count > most && (
              <button type="button" className="link list-more" onClick={() => setMost(most + LISTED)}>
                {c("points.more", { n: Math.min(LISTED, count - most) })}
              </button>
            )}
          </div>
        ))}
      {!open && count === 0 && <div className="body quiet">{t("points.empty")}</div>}
    </Panel>
  );
}

/** One vehicle: where it was in the last day, its stays and visits; the map shows its way. */
export function VehicleObject({
  name,
  track,
  close,
}: {
  name: string;
  track: { data: Track | undefined; error: unknown; isPending: boolean; refetch: () => unknown };
  close: () => void;
}) {
  const { c } = useCommandWords();
  const subject = useSubjectOf(
    useMemo(() => ({ kind: "vehicle", id: name, name: {} }), [name]),
    useMay("subject.read"),
  );
  return (
    <Panel title={c("vehicle.title", { name: subject.data?.name ?? name })} aside={<CloseButton close={close} />}>
      <Shown of={track}>
        {(found) => (
          <div className="body stack" data-testid="vehicle-object">
            <h3 style={{ margin: 0 }}>{c("vehicle.day")}</h3>
            <dl className="pairs">
              <dt>{c("vehicle.fixes")}</dt>
              <dd className="numeric">{found.fixes}</dd>
              <dt>{c("vehicle.trips")}</dt>
              <dd className="numeric">{found.trips.length}</dd>
              <dt>{c("vehicle.stays")}</dt>
              <dd>
                <Times of={found.stays} />
              </dd>
              <dt>{c("vehicle.visits")}</dt>
              <dd>
                <Times of={found.visits} />
              </dd>
            </dl>
            {subject.data && <Link href={`/subjects/${subject.data.id}`}>{c("subject.open")}</Link>}
          </div>
        )}
      </Shown>
    </Panel>
  );
}

function Times({ of }: { of: Track["stays"] }) {
  if (of.length === 0) return <>—</>;
  return (
    <ul style={{ margin: 0, paddingLeft: 16 }}>
      {of.slice(-8).map((one) => (
        <li key={`${one.since}${String(one.place ?? one.id ?? "")}`}>
          <Moment at={one.since} shape="short" /> – <Moment at={one.until} shape="hour" />
          {typeof one.place === "string" && <span className="mono"> {one.place}</span>}
        </li>
      ))}
    </ul>
  );
}
