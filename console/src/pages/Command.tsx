/** The command page: what has happened (left), where (centre), what it is (right), and the city's own panels below. */

import { Button } from "@mantine/core";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { useAlert, useAlerts, useCity, useLayer, useLayerSeries, useLayers, useMay, usePanels } from "../api/queries";
import type { Alert, Cell, Layer, LayerFeature } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { bandOf } from "../map/bands";
import { AlertQueue, AlertStateTag } from "../ui/AlertQueue";
import { CellView } from "../ui/Cell";
import { Declared } from "../ui/Declared";
import { DispatchSheet } from "../ui/DispatchSheet";
import { SeriesFigure } from "../ui/Evidence";
import { Severity } from "../ui/Severity";
import { triage } from "../ui/severity";
import { Empty, Loading, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";

const CityMap = lazy(() => import("../map/CityMap"));
const SERIES_HOURS = 72;

export default function Command() {
  const { t, say } = useWords();
  const tell = useTell();
  const [, go] = useLocation();
  const [params, setParams] = useSearchParams();
  const [dispatching, setDispatching] = useState<Alert | null>(null);
  const state = params.get("state") ?? "open";
  const alerts = useAlerts(state);
  const queue = useMemo(() => triage(alerts.data?.items ?? []), [alerts.data]);
  const chosen = params.get("alert");
  const station = params.get("point");

  const layers = useLayers();
  const layer = layers.data?.find(({ id }) => id === params.get("layer")) ?? layers.data?.[0] ?? null;
  const at = moment(params.get("at"));
  const features = useLayer(layer?.id ?? null, at);
  const city = useCity().data;

  const change = useCallback(
    (set: Record<string, string | null>) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [key, value] of Object.entries(set)) {
            if (value === null) after.delete(key);
            else after.set(key, value);
          }
          return after;
        },
        { replace: true },
      ),
    [setParams],
  );

  const mayAcknowledge = useMay("alert.acknowledge");
  const mayDispatch = useMay("incident.dispatch");
  const acknowledge = useCommand<Alert>({
    done: (alert) => tell.done(t("acknowledge.done", { name: say(alert?.subject?.name) })),
    failed: tell.failed,
  });
  const act = {
    select: (id: string) => change({ alert: id, point: null }),
    open: (alert: Alert) => go(`/alerts/${alert.id}`),
    acknowledge: (alert: Alert) => {
      if (!mayAcknowledge || alert.state !== "raised" || acknowledge.isPending) return;
      acknowledge.mutate({ path: `/api/alerts/${encodeURIComponent(alert.id)}/acknowledge`, body: { note: "" } });
    },
    dispatch: (alert: Alert) => {
      if (mayDispatch && alert.state !== "ended") setDispatching(alert);
    },
  };
  const present = queue.find(({ id }) => id === chosen) ?? null;

  return (
    <div className="command">
      <h1 className="unseen">{t("nav.command")}</h1>
      <Panel
        className="queue-area"
        title={t("queue.title")}
        aside={
          <span className="line">
            <span className="quiet numeric">{alerts.data ? t("queue.count", { n: alerts.data.total }) : ""}</span>
            <Button.Group>
              {(["open", "ended"] as const).map((one) => (
                <Button
                  key={one}
                  size="compact-xs"
                  variant={state === one ? "filled" : "default"}
                  aria-pressed={state === one}
                  onClick={() => change({ state: one === "open" ? null : one, alert: null })}
                >
                  {t(`queue.${one}`)}
                </Button>
              ))}
            </Button.Group>
          </span>
        }
      >
        <Shown of={alerts} lines={6}>
          {() =>
            queue.length === 0 ? (
              <Empty title={t(state === "open" ? "queue.empty" : "queue.noneEnded")}>{t("queue.emptyWhy")}</Empty>
            ) : (
              <AlertQueue alerts={queue} selected={chosen} act={act} keys={dispatching === null} />
            )
          }
        </Shown>
        <div
          className="keys line quiet"
          style={{ borderTop: "1px solid var(--line)", marginTop: "auto", padding: "6px 12px" }}
        >
          <span>
            <kbd>J</kbd> <kbd>K</kbd> {t("keys.move")}
          </span>
          <span>
            <kbd>A</kbd> {t("keys.acknowledge")}
          </span>
          <span>
            <kbd>D</kbd> {t("keys.dispatch")}
          </span>
          <span>
            <kbd>↵</kbd> {t("keys.open")}
          </span>
        </div>
      </Panel>

      <Panel
        className="map-area"
        title={layer ? say(layer.title) : t("map.title")}
        aside={
          layers.data && layers.data.length > 1 ? (
            <Button.Group aria-label={t("map.layer")}>
              {layers.data.map(({ id, title }) => (
                <Button
                  key={id}
                  size="compact-xs"
                  variant={id === layer?.id ? "filled" : "default"}
                  aria-pressed={id === layer?.id}
                  onClick={() => change({ layer: id, point: null })}
                >
                  {say(title)}
                </Button>
              ))}
            </Button.Group>
          ) : (
            <span className="quiet">{t("map.schematic")}</span>
          )
        }
      >
        <Shown of={layers}>
          {() =>
            layer === null ? (
              <Empty title={t("map.noLayer")}>{t("map.noLayerWhy")}</Empty>
            ) : (
              <Shown of={features}>
                {({ features: found }) => (
                  <>
                    <div className="map">
                      <Suspense fallback={<Loading />}>
                        {city && (
                          <CityMap
                            key={layer.id}
                            bounds={city.bounds}
                            layer={layer}
                            features={found}
                            selected={station}
                            onSelect={(key) => change({ point: key, alert: null })}
                          />
                        )}
                      </Suspense>
                    </div>
                    <Bands layer={layer} />
                    <Lookback at={at} change={(when) => change({ at: when })} />
                  </>
                )}
              </Shown>
            )
          }
        </Shown>
      </Panel>

      <div className="object-area stack" aria-live="off">
        {present !== null && (
          <AlertObject
            alert={present}
            acknowledge={mayAcknowledge ? () => act.acknowledge(present) : null}
            busy={acknowledge.isPending}
            dispatch={mayDispatch ? () => act.dispatch(present) : null}
          />
        )}
        {layer !== null && station !== null && present === null && (
          <PointObject
            layer={layer}
            feature={features.data?.features.find(({ properties }) => properties.key === station) ?? null}
            close={() => change({ point: null })}
          />
        )}
        {layer !== null && (
          <PointList
            layer={layer}
            features={features.data?.features ?? []}
            selected={station}
            select={(key) => change({ point: key, alert: null })}
          />
        )}
      </div>

      <DeclaredPanels />
      {dispatching !== null && <DispatchSheet alert={dispatching} digest={null} close={() => setDispatching(null)} />}
    </div>
  );
}

/** A moment from the URL, or null for now. */
function moment(text: string | null): string | null {
  const ms = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

const LOOKBACK_HOURS = 72;
const HOUR_MS = 3_600_000;

/** Looks back on the map: what the city knew at an earlier hour. */
function Lookback({ at, change }: { at: string | null; change: (at: string | null) => void }) {
  const { t } = useWords();
  const now = floorHour(useNow());
  const chosen = at === null ? 0 : Math.round((Date.parse(at) - now) / HOUR_MS);
  const [dragged, setDragged] = useState<number | null>(null);
  const hours = Math.max(-LOOKBACK_HOURS, dragged ?? chosen);
  const commit = useRef(change);
  commit.current = change;
  useEffect(() => {
    if (dragged === null) return;
    const timer = setTimeout(() => {
      commit.current(dragged === 0 ? null : new Date(now + dragged * HOUR_MS).toISOString());
      setDragged(null);
    }, 200);
    return () => clearTimeout(timer);
  }, [dragged, now]);
  const shown = new Date(now + hours * HOUR_MS).toISOString();
  return (
    <div className="lookback">
      <label htmlFor="lookback">{t("lookback")}</label>
      <input
        id="lookback"
        type="range"
        min={-LOOKBACK_HOURS}
        max={0}
        step={1}
        value={hours}
        aria-valuetext={hours === 0 ? t("lookback.now") : shown}
        onChange={(event) => setDragged(Number(event.currentTarget.value))}
      />
      <span className={hours === 0 ? "quiet" : "tag"} data-tone="accent">
        {hours === 0 ? t("lookback.now") : <Moment at={shown} shape="short" />}
      </span>
    </div>
  );
}

function Bands({ layer }: { layer: Layer }) {
  const { say, t } = useWords();
  return (
    <div className="map-legend">
      <ul className="bands" aria-label={t("map.legend")}>
        {layer.bands.map((band) => (
          <li key={`${band.from}`}>
            <span className="swatch" style={{ background: band.colour }} />
            {say(band.label)}
            <span className="quiet numeric">{band.to === null ? `≥${band.from}` : `${band.from ?? 0}–${band.to}`}</span>
          </li>
        ))}
      </ul>
      {layer.legend && <span className="quiet">{say(layer.legend)}</span>}
    </div>
  );
}

function AlertObject({
  alert,
  acknowledge,
  busy,
  dispatch,
}: {
  alert: Alert;
  acknowledge: (() => void) | null;
  busy: boolean;
  dispatch: (() => void) | null;
}) {
  const { t, say } = useWords();
  const now = useNow();
  const detail = useAlert(alert.id);
  const evidence = detail.data?.evidence.find(({ type }) => type === "series");
  return (
    <Panel
      title={
        <span className="line">
          <Severity level={alert.level} />
          {say(alert.kind_title)}
        </span>
      }
      aside={<AlertStateTag alert={alert} />}
    >
      <div className="body stack">
        <dl className="pairs">
          <dt>{t("alert.subject")}</dt>
          <dd>{say(alert.subject.name)}</dd>
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
          <SeriesFigure evidence={evidence} now={floorHour(now)} height={190} table={false} />
        )}
        <div className="line">
          <Link href={`/alerts/${alert.id}`}>{t("alert.openEvidence")}</Link>
          {alert.incident_id && <Link href={`/incidents/${alert.incident_id}`}>{t("alert.openIncident")}</Link>}
        </div>
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

function PointObject({ layer, feature, close }: { layer: Layer; feature: LayerFeature | null; close: () => void }) {
  const { t, say, number } = useWords();
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
          <span>{layer.unit}</span>
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
          {(evidence) => <SeriesFigure evidence={evidence} now={floorHour(now)} height={200} />}
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

/** Charts are redrawn when the shown "now" moves; to the hour is enough for hourly data. */
const floorHour = (ms: number) => Math.floor(ms / 3_600_000) * 3_600_000;

/** The same as the map, as a list: graver first. */
function PointList({
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
  const { t, say, number } = useWords();
  const sorted = useMemo(
    () => [...features].sort((a, b) => (b.properties.value ?? -1) - (a.properties.value ?? -1)),
    [features],
  );
  return (
    <Panel title={t("points.title")} aside={<span className="quiet">{t("points.count", { n: sorted.length })}</span>}>
      {sorted.length === 0 ? (
        <Empty title={t("points.empty")}>{t("points.emptyWhy")}</Empty>
      ) : (
        <div className="flush">
          <table className="table">
            <thead>
              <tr>
                <th className="tight">{t("points.name")}</th>
                <th className="tight right">{layer.unit || say(layer.title)}</th>
                <th className="tight">{t("points.band")}</th>
                <th className="tight right">{t("asOf")}</th>
              </tr>
            </thead>
            <tbody>
              {sorted.map(({ properties }) => {
                const band = bandOf(layer, properties.value);
                return (
                  <tr
                    key={properties.key}
                    data-link
                    aria-selected={properties.key === selected}
                    onClick={() => select(properties.key)}
                  >
                    <td className="tight">
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
          </table>
        </div>
      )}
    </Panel>
  );
}

function DeclaredPanels() {
  const panels = usePanels();
  const shown = (panels.data ?? []).filter(({ page }) => page === "command");
  if (shown.length === 0) return null;
  return (
    <div className="panels-area">
      {shown.map((panel) => (
        <Declared key={panel.id} panel={panel} />
      ))}
    </div>
  );
}
