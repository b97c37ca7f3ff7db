/**
 * Points that move on the console's map, for bench/console_frames.py: by the console's own layer and fleet, told once
 * a second, or by MapLibre's circle layer whose source is set anew for every frame, which is how that layer shows
 * motion. `frames.html?how=own|circle&n=20000`; what was drawn stands in `window.counted`.
 */

import type { FeatureCollection } from "geojson";
import * as maplibre from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { Fleet, pointsOf, readFrame } from "../src/map/fleet";
import { mercatorX, mercatorY } from "../src/map/mercator";
import { PointLayer } from "../src/map/pointLayer";
import { cityStyle } from "../src/map/style";
import { BOUNDS, lat, lon } from "./places";

maplibre.setWorkerUrl(workerUrl);

const asked = new URLSearchParams(window.location.search);
const N = Number(asked.get("n") ?? 20_000);
const counted = { ready: false, frames: 0, told: 0 };
Object.assign(window, { counted });

const map = new maplibre.Map({
  container: "map",
  style: cityStyle(BOUNDS, { type: "FeatureCollection", features: [] }, "light"),
  bounds: BOUNDS,
  attributionControl: false,
  fadeDuration: 0,
});
map.on("render", () => {
  counted.frames += 1;
});
map.once("load", asked.get("how") === "circle" ? circles : own);

/** The console's way. */
function own() {
  const fleet = new Fleet({ x: mercatorX(121), y: mercatorY(32.1) }, performance.now());
  const layer = new PointLayer("vehicles", pointsOf(fleet, false), {
    colour: [15, 118, 110, 255],
    ring: [1, 1, 1],
    size: [8, 16],
  });
  map.addLayer(layer, "names");
  const wire = new Worker(new URL("./wire.ts", import.meta.url), { type: "module" });
  wire.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const frame = readFrame(data);
    if (frame === null) throw new Error("that is no frame");
    fleet.apply(frame, performance.now());
    layer.repaint();
    counted.told += 1;
    counted.ready = counted.told > 2;
  };
  wire.postMessage(N);
}

/** What MapLibre brings along. */
function circles() {
  const begun = performance.now();
  map.addSource("moving", { type: "geojson", data: collection(0) });
  const paint = {
    "circle-radius": 4,
    "circle-color": "#0f766e",
    "circle-stroke-color": "#fff",
    "circle-stroke-width": 1,
  };
  map.addLayer({ id: "moving", type: "circle", source: "moving", paint }, "names");
  const source = map.getSource<maplibre.GeoJSONSource>("moving");
  const step = () => {
    source?.setData(collection((performance.now() - begun) / 1_000));
    counted.told += 1;
    counted.ready = counted.told > 2;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

function collection(second: number): FeatureCollection {
  return {
    type: "FeatureCollection",
    features: Array.from({ length: N }, (_, at) => ({
      type: "Feature",
      properties: {},
      geometry: { type: "Point", coordinates: [lon(at, N, second), lat(at, N, second)] },
    })),
  };
}
