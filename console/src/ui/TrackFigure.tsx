/** A way as evidence: on a small map, played again in time, and the same as a table. */

import { Button } from "@mantine/core";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { useCity } from "../api/queries";
import type { Layer, TrackEvidence } from "../api/types";
import { useWords } from "../i18n";
import { useGround } from "../map/ground";
import { linesOfWay, placeAt, spot } from "../map/way";
import { cityTime } from "../time/format";
import { Empty, Loading } from "./states";
import { Table } from "./Table";
import { useZone } from "./Time";
import "./track.css";

const CityMap = lazy(() => import("../map/CityMap"));
const STEPS = 300;
const STEP_MS = 100; // the whole way in half a minute
const GROUND = { areas: true, zones: true };

const LAYER: Layer = {
  id: "track",
  title: {},
  kind: "points",
  dataset: "",
  value: "",
  unit: "",
  bands: [],
  key: "",
  legend: null,
};

export default function TrackFigure({ evidence }: { evidence: TrackEvidence }) {
  const { t, say, language } = useWords();
  const zone = useZone();
  const city = useCity().data;
  const { points, places } = evidence;
  const from = Date.parse(points[0]?.[0] ?? "");
  const to = Date.parse(points.at(-1)?.[0] ?? "");
  const [step, setStep] = useState(STEPS);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(
      () =>
        setStep((before) => {
          if (before >= STEPS) {
            setPlaying(false);
            return before;
          }
          return before + 1;
        }),
      STEP_MS,
    );
    return () => clearInterval(timer);
  }, [playing]);
  const moment = from + ((to - from) * step) / STEPS;
  const ground = useGround(points[0]?.[0] ?? null, GROUND);
  const fixed = useMemo(
    () => [...linesOfWay(points), ...places.map(({ lon, lat, name }) => spot([lon, lat], say(name), false))],
    [points, places, say],
  );
  const frame = useMemo(() => frameOf(evidence), [evidence]);
  const layer = useMemo(() => ({ ...LAYER, title: evidence.title }), [evidence.title]);
  const overlay = useMemo(() => {
    const here = placeAt(points, moment);
    const features = here === null ? fixed : [...fixed, spot(here, evidence.plate, true)];
    return { ground, heat: false, alerts: null, track: { type: "FeatureCollection" as const, features } };
  }, [ground, fixed, points, moment, evidence.plate]);
  if (points.length === 0) return <Empty title={t("chart.empty")}>{t("chart.emptyWhy")}</Empty>;
  const words = cityTime(moment, zone);
  return (
    <figure className="figure track" data-testid="track">
      <div className="map track-map">
        <Suspense fallback={<Loading lines={6} />}>
          {city && (
            <CityMap
              bounds={city.bounds}
              layer={layer}
              features={[]}
              selected={null}
              onSelect={() => undefined}
              overlay={overlay}
              frame={frame}
            />
          )}
        </Suspense>
      </div>
      <div className="track-bar">
        <Button
          size="compact-xs"
          variant="default"
          data-testid="track-play"
          aria-pressed={playing}
          onClick={() => {
            if (!playing && step >= STEPS) setStep(0);
            setPlaying(!playing);
          }}
        >
          {t(playing ? "track.pause" : "track.play")}
        </Button>
        <input
          type="range"
          data-testid="track-at"
          aria-label={t("track.at")}
          aria-valuetext={words}
          min={0}
          max={STEPS}
          value={step}
          onChange={(event) => {
            setPlaying(false);
            setStep(Number(event.currentTarget.value));
          }}
        />
        <span className="numeric">{words}</span>
      </div>
      <ul className="legend">
        <li>
          <span className="track-key" data-loaded="true" />
          {t("track.loaded")}
        </li>
        <li>
          <span className="track-key" />
          {t("track.empty")}
        </li>
      </ul>
      <details>
        <summary>{t("chart.asTable")}</summary>
        <section className="scroll" tabIndex={0} aria-label={say(evidence.title)}>
          <Table>
            <thead>
              <tr>
                <th>{t("time.at")}</th>
                <th className="right">{t("track.lon")}</th>
                <th className="right">{t("track.lat")}</th>
                <th>{t("track.load")}</th>
              </tr>
            </thead>
            <tbody>
              {points.map(([at, lon, lat, load], index) => (
                <tr key={`${at}${index}`}>
                  <td>{cityTime(at, zone, "full")}</td>
                  <td className="right">{degrees(lon, language)}</td>
                  <td className="right">{degrees(lat, language)}</td>
                  <td>{load === null ? "—" : t(load > 0 ? "track.loaded" : "track.empty")}</td>
                </tr>
              ))}
            </tbody>
          </Table>
        </section>
      </details>
    </figure>
  );
}

const degrees = (value: number, language: string) =>
  value.toLocaleString(language, { minimumFractionDigits: 5, maximumFractionDigits: 5 });

/** The way and its places with some room around them. */
function frameOf({ points, places }: TrackEvidence): [number, number, number, number] {
  const lons = [...points.map(([, lon]) => lon), ...places.map(({ lon }) => lon)];
  const lats = [...points.map(([, , lat]) => lat), ...places.map(({ lat }) => lat)];
  const room = 0.002;
  return [Math.min(...lons) - room, Math.min(...lats) - room, Math.max(...lons) + room, Math.max(...lats) + room];
}
