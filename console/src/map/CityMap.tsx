/** The city's ground with a declared layer of points on it: no tiles, no glyphs, no request leaves the page. */

import { useComputedColorScheme } from "@mantine/core";
import * as maplibre from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Layer, LayerFeature } from "../api/types";
import { useWords } from "../i18n";
import { bandOf } from "./bands";
import { cityStyle, pointsOf } from "./style";

// MapLibre 6 is ESM only: without this its worker is looked for beside the bundle and the map stays blank.
maplibre.setWorkerUrl(workerUrl);

const SELECTABLE = "points";

export default function CityMap({
  bounds,
  layer,
  features,
  selected,
  onSelect,
  onPlace,
}: {
  bounds: [number, number, number, number];
  layer: Layer;
  features: readonly LayerFeature[];
  selected: string | null;
  onSelect: (key: string) => void;
  /** Hears where the map was pressed, degrees WGS84, when a place is asked for. */
  onPlace?: (lon: number, lat: number) => void;
}) {
  const { say, language, t } = useWords();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const box = useRef<HTMLDivElement>(null);
  const map = useRef<maplibre.Map | null>(null);
  const [loaded, setLoaded] = useState(false);
  const [failed, setFailed] = useState<string | null>(null);
  const select = useRef(onSelect);
  select.current = onSelect;
  const place = useRef(onPlace);
  place.current = onPlace;

  const points = useMemo(() => pointsOf(features, layer, language, selected), [features, layer, language, selected]);
  const style = useMemo(() => cityStyle(bounds, points, scheme), [bounds, points, scheme]);
  const first = useRef(style);

  useEffect(() => {
    if (box.current === null) return;
    let made: maplibre.Map;
    try {
      made = new maplibre.Map({
        container: box.current,
        style: first.current,
        bounds: frame(first.current),
        fitBoundsOptions: { padding: 36 },
        attributionControl: false,
        dragRotate: false,
        pitchWithRotate: false,
        touchPitch: false,
        fadeDuration: 0,
        minZoom: 5,
        maxZoom: 15,
      });
    } catch (error) {
      setFailed(String(error));
      return;
    }
    map.current = made;
    made.touchZoomRotate.disableRotation();
    made.keyboard.disableRotation();
    made.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
    made.addControl(new maplibre.ScaleControl({ maxWidth: 100 }), "bottom-right");
    made.on("click", SELECTABLE, (event) => {
      const key = event.features?.[0]?.properties?.key;
      if (typeof key === "string") select.current(key);
    });
    made.on("click", ({ lngLat }) => place.current?.(lngLat.lng, lngLat.lat));
    const usual = place.current ? "crosshair" : "";
    made.getCanvas().style.cursor = usual;
    made.on("mouseenter", SELECTABLE, () => {
      made.getCanvas().style.cursor = "pointer";
    });
    made.on("mouseleave", SELECTABLE, () => {
      made.getCanvas().style.cursor = usual;
    });
    made.once("load", () => setLoaded(true));
    made.once("idle", () => box.current?.setAttribute("data-ready", "true"));
    return () => {
      map.current = null;
      setLoaded(false);
      made.remove();
    };
  }, []);

  useEffect(() => {
    if (loaded) map.current?.setStyle(style, { diff: true });
  }, [style, loaded]);

  useEffect(() => {
    const canvas = map.current?.getCanvas();
    canvas?.setAttribute("aria-label", t("map.label", { layer: say(layer.title) }));
  }, [t, say, layer]);

  if (failed !== null)
    return (
      <div className="state" role="alert">
        <strong>{t("map.failed")}</strong>
        <span>{t("map.failedRemedy")}</span>
        <span className="mono">{failed}</span>
      </div>
    );
  return <div ref={box} className="canvas" data-testid="map" data-points={features.length} />;
}

/** What the first view shows: the points when there are any, else the whole city. */
function frame(style: maplibre.StyleSpecification): maplibre.LngLatBoundsLike {
  return (style.metadata as { frame: [number, number, number, number] }).frame;
}

export { bandOf };
