/** The city's ground with a declared layer of points on it: no glyphs, no sprites, no request leaves the city. */

import { useComputedColorScheme } from "@mantine/core";
import * as maplibre from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import "./map.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Layer, LayerFeature } from "../api/types";
import { useWords } from "../i18n";
import { bandOf } from "./bands";
import { FleetDrawing, type Followed } from "./following";
import { type Crowd, manyPoints } from "./many";
import { mercatorX, mercatorY } from "./mercator";
import { nearest, PointLayer, rgb } from "./pointLayer";
import { cityStyle, enlarged, NO_OVERLAY, type Overlay, PALETTE, pointsOf } from "./style";

// MapLibre 6 is ESM only: without this its worker is looked for beside the bundle and the map stays blank.
maplibre.setWorkerUrl(workerUrl);

const SELECTABLE = "points";
/** More points than this are drawn as one, without words beside them. */
export const MANY = 80;
const REACH = 12; // pixels around a point that count as on it
const BELOW = "names"; // words stay above the points

let tilesKnown: Promise<void> | null = null;

/** Own tiles come out of one file, part by part; the reader is fetched only for a city that has such a file. */
function knowTiles(): Promise<void> {
  tilesKnown ??= import("pmtiles").then(({ Protocol }) => maplibre.addProtocol("pmtiles", new Protocol().tile));
  return tilesKnown;
}

export default function CityMap({
  bounds,
  layer,
  features,
  selected,
  onSelect,
  onPlace,
  overlay = NO_OVERLAY,
  followed = null,
  centre = null,
  frame: framed = null,
  larger = 1,
}: {
  bounds: [number, number, number, number];
  layer: Layer;
  features: readonly LayerFeature[];
  selected: string | null;
  onSelect: (key: string) => void;
  /** Hears where the map was pressed, degrees WGS84, when a place is asked for. */
  onPlace?: (lon: number, lat: number) => void;
  overlay?: Overlay;
  /** Vehicles drawn as they move. */
  followed?: Followed | null;
  /** A place to go to, degrees WGS84. */
  centre?: readonly [number, number] | null;
  /** What the first view shows; the points, or the city, when not given. */
  frame?: readonly [number, number, number, number] | null;
  /** How many times as large as at a desk words and marks are drawn. */
  larger?: number;
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
  const saying = useRef(say);
  saying.current = say;
  const vehicles = useRef(followed);
  vehicles.current = followed;

  const many = features.length > MANY;
  const tiles = overlay.ground?.layers.some(({ kind }) => kind === "pmtiles") === true;
  const [ready, setReady] = useState(!tiles);
  useEffect(() => {
    if (tiles) void knowTiles().then(() => setReady(true));
  }, [tiles]);

  const points = useMemo(
    () =>
      pointsOf(
        many && !overlay.heat ? features.filter(({ properties }) => properties.key === selected) : features,
        layer,
        language,
        selected,
      ),
    [features, layer, language, selected, many, overlay.heat],
  );
  const shown = useMemo(
    () => (ready ? overlay : { ...overlay, ground: overlay.ground && { ...overlay.ground, layers: [] } }),
    [overlay, ready],
  );
  const style = useMemo(() => {
    const made = cityStyle(bounds, points, scheme, shown);
    if (many)
      for (const one of made.layers)
        if ((one.id === "points" || one.id === "values") && "source" in one)
          one.filter = ["get", "selected"] as maplibre.FilterSpecification;
    return enlarged(made, larger);
  }, [bounds, points, scheme, shown, many, larger]);
  const first = useRef({ style, framed, features });

  const crowd = useMemo(() => (many ? manyPoints(features, layer, scheme) : null), [many, features, layer, scheme]);
  const crowded = useRef<Crowd | null>(crowd);
  crowded.current = crowd;

  useEffect(() => {
    if (box.current === null) return;
    let made: maplibre.Map;
    const begin = first.current;
    try {
      made = new maplibre.Map({
        container: box.current,
        style: begin.style,
        bounds: (begin.framed as maplibre.LngLatBoundsLike | null) ?? frame(begin.features, begin.style),
        fitBoundsOptions: { padding: { top: 36, bottom: 36, left: 60, right: 60 } }, // the words below a point are wide
        attributionControl: false,
        dragRotate: false,
        pitchWithRotate: false,
        touchPitch: false,
        fadeDuration: 0,
        minZoom: 5,
        maxZoom: 17,
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
    /** What is under the pointer: a vehicle, a point among many, a point; in the order in which they are drawn. */
    const under = (event: maplibre.MapMouseEvent): { name: string; choose: () => void } | null => {
      const { lng, lat } = event.lngLat;
      const width = 512 * 2 ** made.getZoom(); // of the world, in pixels
      const at = [mercatorX(lng), mercatorY(lat), REACH / width] as const;
      const vehicle = vehicles.current?.pick(...at);
      if (vehicle) return { name: vehicle, choose: () => vehicles.current?.select(vehicle) };
      if (made.getLayer(SELECTABLE)) {
        const { key, name } = made.queryRenderedFeatures(event.point, { layers: [SELECTABLE] })[0]?.properties ?? {};
        if (typeof key === "string") return { name: String(name), choose: () => select.current(key) };
      }
      const found = crowded.current && nearest(crowded.current.points, ...at);
      const one = found === null ? undefined : crowded.current?.those[found];
      return one === undefined ? null : { name: saying.current(one.name), choose: () => select.current(one.key) };
    };
    made.on("click", (event) => {
      under(event)?.choose();
      place.current?.(event.lngLat.lng, event.lngLat.lat);
    });
    const usual = place.current ? "crosshair" : "";
    made.getCanvas().style.cursor = usual;
    made.on("mousemove", (event) => {
      const found = under(event);
      made.getCanvas().style.cursor = found ? "pointer" : usual;
      made.getCanvas().title = found?.name ?? "";
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
    const made = map.current;
    if (!loaded || made === null) return;
    made.setStyle(style, { diff: true });
  }, [style, loaded]);

  const crowdLayer = useRef<PointLayer | null>(null);
  useEffect(() => {
    const made = map.current;
    if (!loaded || made === null) return;
    if (crowd === null) {
      if (crowdLayer.current !== null && made.getLayer(crowdLayer.current.id)) made.removeLayer(crowdLayer.current.id);
      crowdLayer.current = null;
      return;
    }
    const look = {
      colour: [0, 0, 0, 255] as [number, number, number, number],
      ring: rgb01(PALETTE[scheme].ring),
      size: [9 * larger, 17 * larger] as [number, number],
    };
    if (crowdLayer.current === null) crowdLayer.current = new PointLayer("crowd", crowd.points, look);
    else crowdLayer.current.show(crowd.points, look);
    if (!made.getLayer("crowd")) made.addLayer(crowdLayer.current, BELOW);
  }, [crowd, loaded, scheme, larger]);

  // The vehicles' own layer, and which part of the map is looked at.
  useEffect(() => {
    const made = map.current;
    if (!loaded || made === null || followed === null) return;
    const drawing = new FleetDrawing(made, followed, BELOW);
    return () => drawing.end();
  }, [followed, loaded]);
  useEffect(() => {
    followed?.paint(PALETTE[scheme].accent, PALETTE[scheme].ring);
  }, [followed, scheme]);

  useEffect(() => {
    if (!loaded || centre === null) return;
    const made = map.current;
    if (made === null || made.getBounds().contains([centre[0], centre[1]])) return;
    made.jumpTo({ center: [centre[0], centre[1]] });
  }, [centre, loaded]);

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
  const own = overlay.ground?.layers ?? [];
  const attribution = [...new Set(own.map((one) => one.attribution))].filter(Boolean);
  return (
    <>
      <div ref={box} className="canvas" data-testid="map" data-points={features.length} />
      <span className="map-note">{own.length === 0 ? t("map.schematic") : attribution.join(" · ")}</span>
    </>
  );
}

const rgb01 = (colour: string): [number, number, number] => {
  const [red, green, blue] = rgb(colour);
  return [red / 255, green / 255, blue / 255];
};

/** What the first view shows: the points when there are any, else the whole city. */
function frame(features: readonly LayerFeature[], style: maplibre.StyleSpecification): maplibre.LngLatBoundsLike {
  if (features.length <= MANY) return (style.metadata as { frame: [number, number, number, number] }).frame;
  let [west, south, east, north] = [180, 90, -180, -90];
  for (const { geometry } of features) {
    if (geometry === null) continue;
    const [lon, lat] = geometry.coordinates;
    west = Math.min(west, lon);
    east = Math.max(east, lon);
    south = Math.min(south, lat);
    north = Math.max(north, lat);
  }
  return [west, south, east, north];
}

export { bandOf };
