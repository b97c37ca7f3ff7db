/** Matters on the city's map: a circle each with the number of its reports. The list beside says the same in words. */

import { lazy, Suspense, useMemo } from "react";
import { useCity } from "../api/queries";
import type { Band, Layer, LayerFeature } from "../api/types";
import { Loading } from "../ui/states";
import type { Point } from "./types";
import { type MatterWords, useMatterWords } from "./words";

const CityMap = lazy(() => import("../map/CityMap"));

/** What the map shows of a matter, or of a place that is being chosen. */
export interface Spot {
  key: string;
  name: Record<string, string>;
  place: Point | null;
  reports: number;
  at: string | null;
}

/** One hue, the fuller the more people report it: colours of severity stay with severity. */
function bands(m: MatterWords["m"]): Band[] {
  const named = (key: "map.band.1" | "map.band.2" | "map.band.5") => ({ "zh-CN": m(key), en: m(key) });
  return [
    { from: 0, to: 2, label: named("map.band.1"), colour: "#8b98a8" },
    { from: 2, to: 5, label: named("map.band.2"), colour: "#4f9c92" },
    { from: 5, to: null, label: named("map.band.5"), colour: "#0f766e" },
  ];
}

export function Where({
  spots,
  selected,
  select,
  place,
}: {
  spots: readonly Spot[];
  selected: string | null;
  select: (key: string) => void;
  /** Hears where the map was pressed, when a place is asked for. */
  place?: (lon: number, lat: number) => void;
}) {
  const { m } = useMatterWords();
  const city = useCity().data;
  const layer = useMemo<Layer>(() => {
    const title = { "zh-CN": m("title"), en: m("title") };
    return {
      id: "matters",
      title,
      kind: "points",
      dataset: "",
      value: "reports",
      unit: "",
      bands: bands(m),
      key: "id",
      legend: null,
    };
  }, [m]);
  const features = useMemo(
    () =>
      spots.flatMap((spot): LayerFeature[] =>
        spot.place === null
          ? []
          : [
              {
                type: "Feature",
                geometry: { type: "Point", coordinates: [spot.place.lon, spot.place.lat] },
                properties: { key: spot.key, name: spot.name, value: spot.reports, at: spot.at, stale: false },
              },
            ],
      ),
    [spots],
  );
  return (
    <div className="map">
      <Suspense fallback={<Loading />}>
        {city && (
          <CityMap
            bounds={city.bounds}
            layer={layer}
            features={features}
            selected={selected}
            onSelect={select}
            onPlace={place}
          />
        )}
      </Suspense>
    </div>
  );
}

export function Legend() {
  const { m, say } = useMatterWords();
  return (
    <div className="map-legend">
      <ul className="bands" aria-label={m("map.title")}>
        {bands(m).map(({ from, label, colour }) => (
          <li key={from}>
            <span className="swatch" style={{ background: colour }} />
            {say(label)}
          </li>
        ))}
      </ul>
      <span className="quiet">{m("map.note")}</span>
    </div>
  );
}
