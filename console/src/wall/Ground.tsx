/** The city in the middle: its areas, a declared layer, and where open alerts are. */

import type { Feature, FeatureCollection } from "geojson";
import { lazy, Suspense, useCallback, useMemo, useState } from "react";
import { useAlerts, useCity, useLayer } from "../api/queries";
import type { Alert, Layer, LayerFeature } from "../api/types";
import { useGround } from "../map/ground";
import { Loading } from "../ui/states";
import { type Answer, Given, Nothing, Pane } from "./parts";
import { useWallWords } from "./words";

const CityMap = lazy(() => import("../map/CityMap"));
const nothing = () => undefined;

/** Where the subjects of alerts stand: every site is on this layer, whatever layer is shown. */
export const SITES = "hazchem.sites";

export function Ground({
  layer,
  sites,
  known,
  off,
}: {
  layer: Layer | null;
  /** The layer that alerts are placed by, when there is one. */
  sites: Layer | null;
  known: Answer;
  off: boolean;
}) {
  const { w, t, say } = useWallWords();
  const [box, larger] = useLetters();
  const city = useCity().data;
  const features = useLayer(layer?.id ?? null, null);
  const stands = useLayer(sites?.id ?? null, null).data?.features;
  const alerts = useAlerts("open");
  const ground = useGround(null, { areas: true, zones: true });
  const found = features.data?.features;
  const items = alerts.data?.items;
  const overlay = useMemo(
    () => ({
      ground,
      heat: false,
      track: null,
      alerts: alertPlaces(items ?? [], [...(stands ?? []), ...(found ?? [])]),
    }),
    [ground, items, stands, found],
  );
  return (
    <Pane name="map" title={layer === null ? t("map.title") : say(layer.title)} of={layer === null ? [] : [features]}>
      {layer === null ? (
        <Given of={known} closed={off}>
          {() => <Nothing title={w("map.none")} />}
        </Given>
      ) : (
        <Given of={features}>
          {({ features: points }) => (
            <>
              <div className="map" ref={box}>
                <Suspense fallback={<Loading />}>
                  {city && (
                    <CityMap
                      key={layer.id}
                      bounds={city.bounds}
                      layer={layer}
                      features={points}
                      selected={null}
                      onSelect={nothing}
                      overlay={overlay}
                      larger={larger}
                      frame={sites === null ? null : city.bounds}
                    />
                  )}
                </Suspense>
              </div>
              <ul className="wall-legend" aria-label={t("map.legend")}>
                {layer.bands.map((band) => (
                  <li key={String(band.from)}>
                    <span className="swatch" style={{ background: band.colour }} />
                    {say(band.label)}
                  </li>
                ))}
              </ul>
            </>
          )}
        </Given>
      )}
    </Pane>
  );
}

const DESK = 16; // px, the letters of a page at a desk

/** How many times as large as at a desk this part of the wall is written, in quarters: the map is not drawn anew for less. */
function useLetters() {
  const [times, setTimes] = useState(1);
  const measure = useCallback((element: HTMLElement | null) => {
    if (element === null) return;
    const look = () => {
      const letters = Number.parseFloat(getComputedStyle(element).fontSize) || DESK;
      setTimes(Math.max(1, Math.round((letters / DESK) * 4) / 4));
    };
    look();
    const watcher = new ResizeObserver(look);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  return [measure, times] as const;
}

/** Every alert whose place is known: its subject stands on the layer, or is a place. The graver is drawn last. */
export function alertPlaces(
  alerts: readonly Pick<Alert, "subject" | "level">[],
  features: readonly LayerFeature[],
): FeatureCollection {
  const places = new Map(features.map(({ properties, geometry }) => [properties.key, geometry?.coordinates]));
  const found: Feature[] = [];
  for (const { subject, level } of alerts) {
    const numbers = subject.kind === "place" ? subject.id.split(",").map(Number) : places.get(subject.id);
    const [lon, lat] = numbers ?? [];
    if (level === null || lon === undefined || lat === undefined || !Number.isFinite(lon + lat)) continue;
    found.push({ type: "Feature", properties: { level }, geometry: { type: "Point", coordinates: [lon, lat] } });
  }
  found.sort((a, b) => Number(b.properties?.level) - Number(a.properties?.level));
  return { type: "FeatureCollection", features: found };
}
