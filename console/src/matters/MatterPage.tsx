/** One matter: what was reported and why it is one, who should get it, and what came of it. */

import { Button } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link, useLocation, useParams } from "wouter";
import { useIncident, useMay, useSession } from "../api/queries";
import { useCommand } from "../api/useCommand";
import { TaskCounts } from "../pages/Incidents";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { CallBack } from "./CallBack";
import { Decide } from "./Decide";
import "./matters.css";
import { useMatter } from "./queries";
import { ReasonSheet } from "./ReasonSheet";
import { StateTag } from "./StateTag";
import type { MatterDetail, Report, Similar } from "./types";
import { Where } from "./Where";
import { isKey, useMatterWords } from "./words";

export default function MatterPage() {
  const { id = "" } = useParams<{ id: string }>();
  const matter = useMatter(id);
  return (
    <div className="page">
      {matter.data === undefined ? (
        <Panel>
          {matter.error ? <Failure error={matter.error} retry={() => void matter.refetch()} /> : <Loading lines={8} />}
        </Panel>
      ) : (
        <View key={id} matter={matter.data} />
      )}
    </div>
  );
}

function View({ matter }: { matter: MatterDetail }) {
  const { m, say, reports } = useMatterWords();
  const tell = useTell();
  const [dismissing, setDismissing] = useState(false);
  const mayDecide = useMay("report.decide");
  const mayDispatch = useMay("incident.dispatch") && mayDecide;
  const mayCall = useMay("report.file");
  const dismiss = useCommand<unknown>({
    done: () => {
      tell.done(m("dismiss.done"));
      setDismissing(false);
    },
  });
  const path = `/api/matters/${encodeURIComponent(matter.id)}`;
  return (
    <>
      <div className="head">
        <div style={{ minWidth: 0 }}>
          <div className="crumbs">
            <Link href="/matters">{m("title")}</Link> / {say(matter.service_title) || matter.service}
          </div>
          <h1 className="line" style={{ fontSize: 20, margin: 0 }}>
            {matter.title}
          </h1>
          <div className="line">
            <span className="count numeric" data-many={matter.reports > 1}>
              {reports(matter.reports)}
            </span>
            <strong>{say(matter.service_title) || matter.service}</strong>
            <StateTag state={matter.state} />
            <span className="quiet">
              {m("matter.reported")} <Moment at={matter.first_at} ago />
            </span>
          </div>
          {matter.merged_into && (
            <div>
              {m("matter.into")} <Link href={`/matters/${matter.merged_into}`}>{m("matter.intoOpen")}</Link>
            </div>
          )}
        </div>
        <div className="line">
          {matter.incident && <Link href={`/incidents/${matter.incident}`}>{m("matter.incident")}</Link>}
          {matter.state === "open" && mayDecide && (
            <Button variant="default" data-testid="dismiss" onClick={() => setDismissing(true)}>
              {m("dismiss.open")}
            </Button>
          )}
        </div>
      </div>
      <div className="columns">
        <div className="stack" style={{ gap: 16, minWidth: 0 }}>
          <Reports key={matter.reports} matter={matter} />
          {matter.state === "open" && mayDecide && <Alike matter={matter} />}
          <History matter={matter} />
        </div>
        <div className="stack" style={{ gap: 16, minWidth: 0 }}>
          {matter.state === "open" &&
            (mayDispatch ? (
              <Decide matter={matter} />
            ) : (
              <Panel title={m("decide.title")}>
                <div className="body quiet">{m("decide.notMay")}</div>
              </Panel>
            ))}
          {matter.incident && <After matter={matter} incident={matter.incident} />}
          {matter.state === "closed" && mayCall && <CallBack matter={matter} />}
          <Place matter={matter} />
        </div>
      </div>
      {dismissing && (
        <ReasonSheet
          title={m("dismiss.title")}
          meaning={m("dismiss.meaning")}
          confirm={m("dismiss.confirm")}
          testid="dismiss"
          busy={dismiss.isPending}
          error={dismiss.error}
          send={(reason) => dismiss.mutate({ path: `${path}/dismiss`, body: { reason } })}
          close={() => setDismissing(false)}
        />
      )}
    </>
  );
}

// ── the reports ──────────────────────────────────────────────────────────────────────────────────────────────────

function Reports({ matter }: { matter: MatterDetail }) {
  const { m, t } = useMatterWords();
  const tell = useTell();
  const [chosen, setChosen] = useState<ReadonlySet<string> | null>(null);
  const [asking, setAsking] = useState(false);
  const maySplit =
    useMay("report.decide") && matter.items.length > 1 && (matter.state === "open" || matter.state === "dispatched");
  const split = useCommand<unknown>({
    done: () => {
      tell.done(m("split.done"));
      setAsking(false);
      setChosen(null);
    },
  });
  const founder = useMemo(() => foundedBy(matter), [matter]);
  const fits = chosen !== null && chosen.size > 0 && chosen.size < matter.reports;
  const toggle = (id: string) =>
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });
  return (
    <Panel
      title={
        <>
          {m("reports.title")} <span className="quiet numeric">{matter.reports}</span>
        </>
      }
      aside={
        <span className="line">
          {matter.items.length < matter.reports && (
            <span className="quiet">{m("reports.first", { n: matter.items.length })}</span>
          )}
          {maySplit && chosen === null && (
            <Button size="xs" variant="default" data-testid="split" onClick={() => setChosen(new Set())}>
              {m("split.open")}
            </Button>
          )}
        </span>
      }
    >
      {chosen !== null && (
        <div className="body stack">
          <span>{m("split.meaning")}</span>
          <div className="line">
            <Button size="xs" disabled={!fits} data-testid="split-choose" onClick={() => setAsking(true)}>
              {m("split.confirm", { n: chosen.size })}
            </Button>
            <Button size="xs" variant="default" onClick={() => setChosen(null)}>
              {t("cancel")}
            </Button>
            {!fits && <span className="quiet">{m("split.least")}</span>}
          </div>
        </div>
      )}
      {matter.items.length === 0 && <Empty title={m("reports.none")}>{m("reports.noneWhy")}</Empty>}
      <div>
        {matter.items.map((report, at) => (
          <ReportRow
            key={report.id}
            report={report}
            number={at + 1}
            founder={report.id === founder}
            chosen={chosen === null ? null : chosen.has(report.id)}
            toggle={() => toggle(report.id)}
          />
        ))}
      </div>
      {asking && chosen !== null && (
        <ReasonSheet
          title={m("split.confirm", { n: chosen.size })}
          meaning={m("split.meaning")}
          confirm={m("split.confirm", { n: chosen.size })}
          testid="split"
          busy={split.isPending}
          error={split.error}
          send={(reason) =>
            split.mutate({
              path: `/api/matters/${encodeURIComponent(matter.id)}/split`,
              body: { reports: [...chosen].sort(), reason },
            })
          }
          close={() => setAsking(false)}
        />
      )}
    </Panel>
  );
}

/** The report that the matter began with: it was not merged, so it has no likeness to tell. */
function foundedBy(matter: MatterDetail): string | null {
  const opened = matter.history.find(({ type }) => type === "matter.opened");
  return typeof opened?.data.report === "string" ? opened.data.report : null;
}

function ReportRow({
  report,
  number,
  founder,
  chosen,
  toggle,
}: {
  report: Report;
  number: number;
  founder: boolean;
  chosen: boolean | null;
  toggle: () => void;
}) {
  const { m, say, likely } = useMatterWords();
  const { why } = report;
  const byCity = why.by.startsWith("system:");
  return (
    <div className="report" data-testid="report-row">
      {chosen === null ? (
        <span className="quiet numeric">{number}</span>
      ) : (
        <input
          type="checkbox"
          className="pick"
          data-testid="split-pick"
          aria-label={m("split.choose", { n: number })}
          checked={chosen}
          onChange={toggle}
        />
      )}
      <div style={{ minWidth: 0 }}>
        <div className="quiet line">
          <Moment at={report.at} ago />
          <span>{report.source === "desk" ? m("reports.from.desk") : `${report.source} · ${report.external}`}</span>
          {report.version > 1 && <span className="tag">{m("reports.version", { n: report.version })}</span>}
        </div>
        <p className="words">{report.text}</p>
        <div className="quiet line">
          {report.address && <span>{report.address}</span>}
          {report.place && (
            <span className="numeric">
              {m("take.coordinates", { lon: report.place.lon.toFixed(5), lat: report.place.lat.toFixed(5) })}
            </span>
          )}
          {report.media && /^https?:\/\//.test(report.media) && (
            <a href={report.media} target="_blank" rel="noreferrer noopener">
              {m("reports.media")}
            </a>
          )}
        </div>
        <div className="line" style={{ alignItems: "baseline" }}>
          {!founder && (
            <span className="tag">
              {m(byCity ? "reports.byCity" : "reports.byPerson")}
              {byCity && why.score !== null && ` · ${likely(why.score)}`}
            </span>
          )}
          <ul className="line" style={{ listStyle: "none", margin: 0, padding: 0 }} aria-label={m("reports.why")}>
            {why.reasons.map((reason) => (
              <li key={say(reason)}>{say(reason)}</li>
            ))}
          </ul>
        </div>
      </div>
    </div>
  );
}

// ── others that may be the same ──────────────────────────────────────────────────────────────────────────────────

function Alike({ matter }: { matter: MatterDetail }) {
  const { m, say, reports, likely } = useMatterWords();
  const tell = useTell();
  const [, go] = useLocation();
  const [other, setOther] = useState<Similar | null>(null);
  const merge = useCommand<{ matter_id: string }>({
    done: ({ matter_id }) => {
      tell.done(m("merge.done"));
      setOther(null);
      go(`/matters/${matter_id}`);
    },
  });
  return (
    <Panel title={m("similar.title")}>
      {matter.similar.length === 0 ? (
        <Empty title={m("similar.empty")}>{m("similar.emptyWhy")}</Empty>
      ) : (
        <div>
          {matter.similar.map((one) => (
            <div key={one.id} className="report" data-testid="similar-row">
              <span className="count numeric" data-many={one.reports > 1}>
                {reports(one.reports)}
              </span>
              <div style={{ minWidth: 0 }}>
                <div className="line" style={{ justifyContent: "space-between", flexWrap: "nowrap" }}>
                  <Link href={`/matters/${one.id}`}>{one.title}</Link>
                  <Button
                    size="compact-sm"
                    variant="default"
                    style={{ flex: "none" }}
                    data-testid="merge"
                    onClick={() => setOther(one)}
                  >
                    {m("similar.merge")}
                  </Button>
                </div>
                <div className="quiet line">
                  <span className="tag">{likely(one.score)}</span>
                  {one.reasons.map((reason) => (
                    <span key={say(reason)}>{say(reason)}</span>
                  ))}
                </div>
              </div>
            </div>
          ))}
        </div>
      )}
      {other !== null && (
        <ReasonSheet
          title={m("merge.title")}
          meaning={m("merge.meaning")}
          confirm={m("merge.confirm")}
          testid="merge"
          busy={merge.isPending}
          error={merge.error}
          send={(reason) =>
            merge.mutate({ path: "/api/matters/merge", body: { matters: [matter.id, other.id].sort(), reason } })
          }
          close={() => setOther(null)}
        >
          <dl className="pairs">
            <dt>{m("merge.this")}</dt>
            <dd>
              {matter.title} <span className="quiet">({reports(matter.reports)})</span>
            </dd>
            <dt>{m("merge.other")}</dt>
            <dd>
              {other.title} <span className="quiet">({reports(other.reports)})</span>
            </dd>
          </dl>
        </ReasonSheet>
      )}
    </Panel>
  );
}

// ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────────

function After({ matter, incident }: { matter: MatterDetail; incident: string }) {
  const { m, t, say } = useMatterWords();
  const found = useIncident(incident);
  return (
    <Panel title={m("after.title")} aside={<Link href={`/incidents/${incident}`}>{m("matter.incident")}</Link>}>
      <div className="body stack">
        <dl className="pairs">
          <dt>{m("matter.handler")}</dt>
          <dd>{say(matter.handler_title) || "—"}</dd>
          {matter.note && (
            <>
              <dt>{m("matter.note")}</dt>
              <dd>{matter.note}</dd>
            </>
          )}
        </dl>
        <Shown of={found} lines={2}>
          {(shown) => (
            <>
              <div className="line">
                <span className="tag">{t(`incidents.${shown.state}`)}</span>
                {shown.late > 0 && <span className="late">{t("incident.late", { n: shown.late })}</span>}
              </div>
              <TaskCounts incident={shown} />
            </>
          )}
        </Shown>
      </div>
    </Panel>
  );
}

function Place({ matter }: { matter: MatterDetail }) {
  const { m, say } = useMatterWords();
  const spots = useMemo(
    () => [
      {
        key: matter.id,
        name: matter.service_title ?? { "zh-CN": matter.service, en: matter.service },
        place: matter.place,
        reports: matter.reports,
        at: matter.last_at,
      },
    ],
    [matter],
  );
  return (
    <Panel title={m("map.title")} aside={<span className="quiet">{matter.place && m("map.note")}</span>}>
      {matter.place && (
        <div className="small-map">
          <Where spots={spots} selected={matter.id} select={() => undefined} />
        </div>
      )}
      <div className="body" style={{ paddingTop: 8 }}>
        <dl className="pairs">
          <dt>{m("matter.where")}</dt>
          <dd>{matter.address || m("list.noAddress")}</dd>
          {matter.place && (
            <>
              <dt>{m("matter.coordinates")}</dt>
              <dd className="numeric">
                {m("take.coordinates", { lon: matter.place.lon.toFixed(5), lat: matter.place.lat.toFixed(5) })}
              </dd>
            </>
          )}
          <dt>{m("matter.service")}</dt>
          <dd>{say(matter.service_title) || matter.service}</dd>
          <dt>{m("matter.last")}</dt>
          <dd>
            <Moment at={matter.last_at} />
          </dd>
          {matter.note && matter.incident === null && (
            <>
              <dt>{m("matter.note")}</dt>
              <dd>{matter.note}</dd>
            </>
          )}
        </dl>
      </div>
    </Panel>
  );
}

function History({ matter }: { matter: MatterDetail }) {
  const { m, t, say } = useMatterWords();
  const me = useSession().data?.actor.id;
  const who = ({ actor, actor_name }: MatterDetail["history"][number]) =>
    actor === me ? m("history.me") : say(actor_name) || m("history.city");
  return (
    <Panel
      title={m("history.title")}
      aside={<span className="quiet">{t("log.count", { n: matter.history.length })}</span>}
    >
      <div className="body">
        <section className="past" tabIndex={0} aria-label={m("history.title")}>
          <ol className="ladder">
            {[...matter.history].reverse().map((event) => {
              const key = `event.${event.type}`;
              const { reason, reports } = event.data;
              return (
                <li key={event.seq}>
                  <div className="line">
                    <Moment at={event.at} shape="full" />
                    <strong>{isKey(key) ? m(key) : event.type}</strong>
                    <span className="quiet">{who(event)}</span>
                  </div>
                  {typeof reports === "number" && <span className="quiet">{m("history.reports", { n: reports })}</span>}
                  {typeof reason === "string" && reason !== "" && <div>{reason}</div>}
                </li>
              );
            })}
          </ol>
        </section>
      </div>
    </Panel>
  );
}
