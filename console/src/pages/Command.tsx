/** The command page: what has happened (left), where (centre), what it is (right); the time line below drives all three. */

import { Button } from "@mantine/core";
import type { Feature, FeatureCollection } from "geojson";
import { lazy, type ReactNode, Suspense, useCallback, useEffect, useMemo, useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { useAlert, useAlerts, useCity, useLayer, useLayers, useMay, usePanels } from "../api/queries";
import type { Alert, Layer, LayerFeature } from "../api/types";
import { useCommand } from "../api/useCommand";
import { Brush } from "../command/Brush";
import "../command/command.css";
import { Help } from "../command/Help";
import {
  AlertObject,
  IncidentObject,
  PointList,
  PointObject,
  SubjectObject,
  TaskObject,
  VehicleList,
  VehicleObject,
} from "../command/objects";
import { SPANS, type Span, type Standing, standing, windowOf } from "../command/past";
import { type Track, useFollowable, usePast, useSubjectOf, useTrack } from "../command/queries";
import { type CommandKey, useCommandWords } from "../command/words";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { type Followed, useFollowed, useFollowState } from "../map/following";
import { useGround } from "../map/ground";
import { linesOfWay, spot } from "../map/way";
import { duration } from "../time/format";
import { AlertQueue, useSilenced } from "../ui/AlertQueue";
import { Declared } from "../ui/Declared";
import { DispatchSheet } from "../ui/DispatchSheet";
import { triage } from "../ui/severity";
import { Empty, Loading, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";

const CityMap = lazy(() => import("../map/CityMap"));

const OVERLAYS = ["areas", "zones", "alerts", "vehicles", "heat"] as const;
type OverlayName = (typeof OVERLAYS)[number];
const USUAL: readonly OverlayName[] = ["areas", "zones", "alerts", "vehicles"];
/** What can be chosen; choosing one lets go of the others. */
const OBJECTS = ["alert", "incident", "task", "subject", "point", "vehicle"] as const;
type ObjectName = (typeof OBJECTS)[number];
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Live positions older than this are told to be stale. */
const STALE_MS = 15 * MINUTE_MS;

/** The state of the page, all of it in the address: a link opens the same. */
function useDesk() {
  const [params, setParams] = useSearchParams();
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
  const choose = useCallback(
    (name: ObjectName | null, id: string | null = null, more: Record<string, string | null> = {}) =>
      change({
        ...Object.fromEntries([...OBJECTS, "dispatch"].map((one) => [one, null])),
        ...(name === null ? {} : { [name]: id }),
        ...more,
      }),
    [change],
  );
  const at = moment(params.get("at"));
  const span = SPANS.find((one) => String(one) === params.get("span")) ?? 24;
  const shown = useMemo(() => {
    const text = params.get("show");
    return new Set<OverlayName>(text === null ? USUAL : OVERLAYS.filter((one) => text.split(",").includes(one)));
  }, [params]);
  const show = (name: OverlayName, on: boolean) => {
    const after = OVERLAYS.filter((one) => (one === name ? on : shown.has(one)));
    change({ show: after.join() === USUAL.join() ? null : after.join(",") });
  };
  return { params, change, choose, at, span, shown, show };
}

/** A moment from the address in ms, or null for now. */
function moment(text: string | null): number | null {
  const ms = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

export default function Command() {
  const { t, c, say } = useCommandWords();
  const tell = useTell();
  const [, go] = useLocation();
  const desk = useDesk();
  const { params, change, choose, span } = desk;
  const [helping, setHelping] = useState(false);
  const now = useNow();
  // A moment ahead of the city's clock is now.
  const at = desk.at !== null && desk.at < now ? desk.at : null;
  const atText = at === null ? null : new Date(at).toISOString();

  const mayAlerts = useMay("alert.read");
  const state = params.get("state") ?? "open";
  const alerts = useAlerts(state);
  // The line moves on with the clock in steps, so that it is not asked anew every second.
  const grain = (span * HOUR_MS) / 480;
  const line = windowOf(span, Math.ceil(now / grain) * grain, at);
  const past = usePast(line, mayAlerts && now !== 0);
  const then = useMemo(() => (at === null ? null : standing(past.data?.items ?? [], at)), [past.data, at]);
  const queue = useMemo(() => triage(then ?? alerts.data?.items ?? []), [alerts.data, then]);
  const silenced = useSilenced(at === null && state === "suppressed", alerts.data?.items);
  const chosen = params.get("alert");
  const station = params.get("point");
  const detail = useAlert(chosen);

  const layers = useLayers();
  const layer = layers.data?.find(({ id }) => id === params.get("layer")) ?? layers.data?.[0] ?? null;
  const features = useLayer(layer?.id ?? null, atText);

  const mayAcknowledge = useMay("alert.acknowledge");
  const mayDispatch = useMay("incident.dispatch");
  const acknowledge = useCommand<Alert>({
    done: (alert) => tell.done(t("acknowledge.done", { name: say(alert?.subject?.name) })),
    failed: tell.failed,
  });
  const whole = (id: string) => alerts.data?.items.find((one) => one.id === id);
  const act = {
    select: (id: string) => choose("alert", id),
    open: ({ id }: Standing) => go(`/alerts/${id}`),
    acknowledge: ({ id, state: stands }: Standing) => {
      if (at !== null || !mayAcknowledge || stands !== "raised" || acknowledge.isPending) return;
      acknowledge.mutate({ path: `/api/alerts/${encodeURIComponent(id)}/acknowledge`, body: { note: "" } });
    },
    dispatch: ({ id }: Standing) => {
      const alert = whole(id) ?? (detail.data?.id === id ? detail.data : undefined);
      if (at === null && alert && mayDispatch && alert.state !== "ended") choose("alert", id, { dispatch: "first" });
    },
  };
  const present: Alert | null = (chosen === null ? undefined : (whole(chosen) ?? detail.data)) ?? null;
  const presentThen = then?.find(({ id }) => id === chosen) ?? null;
  const sheet = params.get("dispatch");
  const dispatching = sheet !== null && at === null && mayDispatch && present?.state !== "ended" ? present : null;
  const free = dispatching === null && !helping;
  useKeys(free, {
    "?": () => setHelping(true),
    escape: () => choose(null),
    n: () => change({ at: null }),
  });

  const vehicles = useVehicles(desk.shown.has("vehicles") && at === null);
  const vehicle = params.get("vehicle");
  const dayEnd = Math.ceil((at ?? now) / (10 * MINUTE_MS)) * 10 * MINUTE_MS;
  const track = useTrack(vehicles.dataset, vehicle, dayEnd - 24 * HOUR_MS, dayEnd);
  if (vehicles.followed) vehicles.followed.select = (name) => choose("vehicle", name);

  return (
    <div className="command">
      <h1 className="unseen">{t("nav.command")}</h1>
      {at !== null && (
        <div className="past-banner" role="status" data-testid="past-banner">
          <PastWords at={at} />
          <Button size="compact-xs" onClick={() => change({ at: null })}>
            {c("brush.toNow")}
          </Button>
        </div>
      )}
      <Panel
        className="queue-area"
        title={at === null ? t("queue.title") : c("past.queue")}
        aside={
          <span className="line">
            {at !== null && (
              <span className="quiet numeric" data-testid="queue-count">
                {queue.length}
              </span>
            )}
            {at === null && (
              <Button.Group>
                {(["open", "suppressed", "ended"] as const).map((one) => (
                  <Button
                    key={one}
                    size="compact-xs"
                    variant={state === one ? "filled" : "default"}
                    aria-pressed={state === one}
                    data-testid={`queue-${one}`}
                    onClick={() => change({ state: one === "open" ? null : one, alert: null })}
                  >
                    {t(`queue.${one}`)}
                    {one !== "ended" && alerts.data?.counts && (
                      <span className="numeric">&nbsp;{alerts.data.counts[one]}</span>
                    )}
                    {one === "ended" && state === "ended" && alerts.data && (
                      <span className="numeric">&nbsp;{alerts.data.total}</span>
                    )}
                  </Button>
                ))}
              </Button.Group>
            )}
          </span>
        }
      >
        <Shown<unknown> of={at === null ? alerts : past} lines={6}>
          {() =>
            queue.length === 0 ? (
              <Empty
                title={
                  at !== null
                    ? c("past.empty")
                    : t(
                        state === "open"
                          ? "queue.empty"
                          : state === "suppressed"
                            ? "queue.noneSuppressed"
                            : "queue.noneEnded",
                      )
                }
              >
                {at !== null
                  ? c("past.emptyWhy")
                  : t(state === "suppressed" ? "queue.suppressedWhy" : "queue.emptyWhy")}
              </Empty>
            ) : (
              <AlertQueue alerts={queue} selected={chosen} act={act} keys={free} notes={silenced} />
            )
          }
        </Shown>
        {at === null && alerts.data && alerts.data.total > queue.length && (
          <span className="quiet queue-more">{c("queue.more", { total: alerts.data.total, n: queue.length })}</span>
        )}
        <Keys help={() => setHelping(true)} acknowledge={mayAcknowledge} dispatch={mayDispatch} />
      </Panel>

      <Panel
        className="map-area"
        title={layers.data && layers.data.length > 1 ? t("map.title") : layer ? say(layer.title) : t("map.title")}
        aside={
          layers.data &&
          layers.data.length > 1 && (
            <LayerChoice layers={layers.data} chosen={layer} choose={(id) => change({ layer: id, point: null })} />
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
                    <MapView
                      layer={layer}
                      features={found}
                      selected={station ?? present?.subject.id ?? null}
                      select={(key) => choose("point", key)}
                      shown={desk.shown}
                      queue={queue}
                      at={atText}
                      present={present}
                      followed={vehicles.followed}
                      track={vehicle === null ? null : (track.data ?? null)}
                      choice={
                        <ShowChoice
                          shown={desk.shown}
                          show={desk.show}
                          leave={vehicles.known ? [] : ["vehicles"]}
                          past={at !== null}
                        />
                      }
                    />
                    <Bands layer={layer} />
                  </>
                )}
              </Shown>
            )
          }
        </Shown>
        {vehicles.followed && <StaleBanner followed={vehicles.followed} now={now} />}
      </Panel>

      <Brush
        alerts={past.data?.items}
        window={line}
        span={span as Span}
        at={at}
        now={now}
        change={(set) =>
          change({
            ...("at" in set ? { at: set.at ?? null } : {}),
            ...(set.span === undefined ? {} : { span: set.span === 24 ? null : String(set.span) }),
          })
        }
      />

      <div className="object-area stack" aria-live="off" data-chosen={OBJECTS.some((one) => params.has(one))}>
        {present !== null && (
          <AlertObject
            alert={present}
            then={presentThen}
            acknowledge={mayAcknowledge && at === null ? () => act.acknowledge(present) : null}
            busy={acknowledge.isPending}
            dispatch={mayDispatch && at === null ? () => act.dispatch(present) : null}
            show={({ incident, subject }) =>
              incident ? choose("incident", incident) : choose("subject", subject ?? null)
            }
            close={() => choose(null)}
          />
        )}
        <ChosenObject params={params} choose={choose} />
        {vehicle !== null && <VehicleObject name={vehicle} track={track} close={() => choose(null)} />}
        {layer !== null && station !== null && present === null && (
          <PointObject
            layer={layer}
            feature={features.data?.features.find(({ properties }) => properties.key === station) ?? null}
            close={() => choose(null)}
          />
        )}
        {vehicles.followed && (
          <VehicleList followed={vehicles.followed} selected={vehicle} select={(name) => choose("vehicle", name)} />
        )}
        {layer === null && !vehicles.followed && !OBJECTS.some((one) => params.has(one)) && (
          <Panel>
            <Empty title={c("object.none")}>{c("object.noneWhy")}</Empty>
          </Panel>
        )}
        {layer !== null && (
          <PointList
            layer={layer}
            features={features.data?.features ?? []}
            selected={station}
            select={(key) => choose("point", key)}
          />
        )}
      </div>

      <DeclaredPanels />
      {dispatching !== null && (
        <DispatchSheet
          alert={dispatching}
          digest={sheet}
          choose={(digest) => change({ dispatch: digest })}
          close={() => change({ dispatch: null })}
        />
      )}
      {helping && <Help close={() => setHelping(false)} />}
    </div>
  );
}

/** The incident, task or subject in the address. */
function ChosenObject({
  params,
  choose,
}: {
  params: URLSearchParams;
  choose: (name: ObjectName | null, id?: string | null) => void;
}) {
  const close = () => choose(null);
  const [incident, task, subject] = [params.get("incident"), params.get("task"), params.get("subject")];
  return (
    <>
      {incident && <IncidentObject id={incident} show={({ task: id }) => choose("task", id)} close={close} />}
      {task && <TaskObject id={task} show={({ incident: id }) => choose("incident", id)} close={close} />}
      {subject && <SubjectObject id={subject} close={close} />}
    </>
  );
}

function PastWords({ at }: { at: number }) {
  const { c } = useCommandWords();
  const [before, after] = c("past.banner", { at: "\u0000" }).split("\u0000");
  return (
    <span>
      {before}
      <strong>
        <Moment at={new Date(at).toISOString()} />
      </strong>
      {after}
    </span>
  );
}

/** Hears single keys, unless something is being typed or a sheet is open. */
function useKeys(heard: boolean, keys: Record<string, () => void>) {
  useEffect(() => {
    if (!heard) return;
    const press = (event: KeyboardEvent) => {
      const { target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (
        target instanceof HTMLElement &&
        (target.isContentEditable || target.closest("dialog, [role=dialog], input:not([type=range]), textarea, select"))
      )
        return;
      const act = keys[event.key.toLowerCase()];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  });
}

/** The keys that this person has a use for. */
function Keys({ help, acknowledge, dispatch }: { help: () => void; acknowledge: boolean; dispatch: boolean }) {
  const { t, c } = useCommandWords();
  return (
    <div className="keys line quiet queue-keys">
      <span>
        <kbd>J</kbd> <kbd>K</kbd> {t("keys.move")}
      </span>
      {acknowledge && (
        <span>
          <kbd>A</kbd> {t("keys.acknowledge")}
        </span>
      )}
      {dispatch && (
        <span>
          <kbd>D</kbd> {t("keys.dispatch")}
        </span>
      )}
      <span>
        <kbd>↵</kbd> {t("keys.open")}
      </span>
      <button type="button" className="link" data-testid="keys-open" onClick={help}>
        <kbd>?</kbd> {c("help")}
      </button>
    </div>
  );
}

/** Up to four layers as buttons; more in a list. */
function LayerChoice({
  layers,
  chosen,
  choose,
}: {
  layers: readonly Layer[];
  chosen: Layer | null;
  choose: (id: string) => void;
}) {
  const { t, say } = useWords();
  if (layers.length > 4)
    return (
      <select
        className="layer-choice"
        aria-label={t("map.layer")}
        value={chosen?.id}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {layers.map(({ id, title }) => (
          <option key={id} value={id}>
            {say(title)}
          </option>
        ))}
      </select>
    );
  return (
    <Button.Group className="layer-buttons" aria-label={t("map.layer")}>
      {layers.map(({ id, title }) => (
        <Button
          key={id}
          size="compact-xs"
          variant={id === chosen?.id ? "filled" : "default"}
          aria-pressed={id === chosen?.id}
          onClick={() => choose(id)}
        >
          {say(title)}
        </Button>
      ))}
    </Button.Group>
  );
}

function ShowChoice({
  shown,
  show,
  leave,
  past,
}: {
  shown: ReadonlySet<OverlayName>;
  show: (name: OverlayName, on: boolean) => void;
  leave: readonly OverlayName[];
  past: boolean;
}) {
  const { c } = useCommandWords();
  return (
    <fieldset className="map-shown" aria-label={c("shown.title")}>
      {OVERLAYS.filter((name) => !leave.includes(name)).map((name) => (
        <label key={name} title={name === "vehicles" && past ? c("vehicles.past") : undefined}>
          <input
            type="checkbox"
            data-testid={`show-${name}`}
            checked={shown.has(name)}
            onChange={(event) => show(name, event.currentTarget.checked)}
          />
          {c(`shown.${name}` as CommandKey)}
        </label>
      ))}
    </fieldset>
  );
}

/** Live vehicles of the first dataset whose vehicles are followed, when there is one. */
function useVehicles(wanted: boolean): { known: boolean; dataset: string | null; followed: Followed | null } {
  const may = useMay("dataset.read");
  const dataset = useFollowable(may).data?.[0]?.dataset ?? null;
  const bounds = useCity().data?.bounds;
  const followed = useFollowed(wanted ? dataset : null, bounds);
  return { known: dataset !== null, dataset, followed };
}

function StaleBanner({ followed, now }: { followed: Followed; now: number }) {
  const { c, language } = useCommandWords();
  const { newest } = useFollowState(followed);
  const age = now - newest * 1000;
  if (newest === 0 || age < STALE_MS) return null;
  return (
    <div className="map-stale" role="status" data-testid="vehicles-stale">
      {c("vehicles.stale", { length: duration(age / 1000, language) })}
    </div>
  );
}

function MapView({
  layer,
  features,
  selected,
  select,
  shown,
  queue,
  at,
  present,
  followed,
  track,
  choice,
}: {
  choice: ReactNode;
  layer: Layer;
  features: readonly LayerFeature[];
  selected: string | null;
  select: (key: string) => void;
  shown: ReadonlySet<OverlayName>;
  queue: readonly Standing[];
  at: string | null;
  present: Alert | null;
  followed: Followed | null;
  track: Track | null;
}) {
  const city = useCity().data;
  const ground = useGround(at, { areas: shown.has("areas"), zones: shown.has("zones") });
  const subject = useSubjectOf(present?.subject ?? null, useMay("subject.read") && present !== null).data ?? null;
  const centre = useMemo(
    () => placeOf(present, features) ?? (subject?.lon && subject.lat ? ([subject.lon, subject.lat] as const) : null),
    [present, features, subject],
  );
  const withAlerts = shown.has("alerts");
  const heat = shown.has("heat");
  const overlay = useMemo(
    () => ({
      ground,
      heat,
      track: track === null ? null : wayOf(track),
      alerts: withAlerts ? alertPlaces(queue, features, present, centre) : null,
    }),
    [ground, heat, track, withAlerts, queue, features, present, centre],
  );
  return (
    <div className="map">
      <Suspense fallback={<Loading />}>
        {city && (
          <CityMap
            key={layer.id}
            bounds={city.bounds}
            layer={layer}
            features={features}
            selected={selected}
            onSelect={select}
            overlay={overlay}
            followed={followed}
            centre={centre}
          />
        )}
      </Suspense>
      {choice}
    </div>
  );
}

/** Where an alert is: its subject on the map's layer, or the place that it names. */
function placeOf(
  alert: Pick<Alert, "subject"> | null,
  features: readonly LayerFeature[],
): readonly [number, number] | null {
  if (alert === null) return null;
  if (alert.subject.kind === "place") {
    const [lon, lat] = alert.subject.id.split(",").map(Number);
    return lon !== undefined && lat !== undefined && Number.isFinite(lon + lat) ? [lon, lat] : null;
  }
  return features.find(({ properties }) => properties.key === alert.subject.id)?.geometry?.coordinates ?? null;
}

/** Every alert of the queue whose place is known, the graver drawn last. */
function alertPlaces(
  queue: readonly Standing[],
  features: readonly LayerFeature[],
  present: Alert | null,
  centre: readonly [number, number] | null,
): FeatureCollection {
  const places = new Map(features.map(({ properties, geometry }) => [properties.key, geometry?.coordinates]));
  const found: Feature[] = [];
  for (const alert of queue) {
    const at =
      alert.subject.kind === "place"
        ? placeOf(alert, [])
        : (places.get(alert.subject.id) ?? (alert.id === present?.id ? centre : null));
    if (at && alert.level !== null)
      found.push({
        type: "Feature",
        properties: { level: alert.level },
        geometry: { type: "Point", coordinates: [...at] },
      });
  }
  found.sort((a, b) => Number(b.properties?.level) - Number(a.properties?.level));
  return { type: "FeatureCollection", features: found };
}

/** A vehicle's way: pieces loaded and empty, and where it stayed. */
function wayOf({ pieces, stays }: Track): FeatureCollection {
  const points = stays.flatMap(({ lon, lat }): Feature[] =>
    typeof lon === "number" && typeof lat === "number" ? [spot([lon, lat], "", false)] : [],
  );
  return { type: "FeatureCollection", features: [...pieces.flatMap(linesOfWay), ...points] };
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
            {!/\d/.test(say(band.label)) && (
              <span className="quiet numeric">
                {band.to === null
                  ? `>${band.from}`
                  : (band.from ?? 0) === band.to
                    ? band.to
                    : `${band.from ?? 0}–${band.to}`}
              </span>
            )}
          </li>
        ))}
      </ul>
      {layer.legend && <span className="quiet">{say(layer.legend)}</span>}
    </div>
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
