/** The whole map as one MapLibre style: ground, graticule, the points of the layer with value and name. */

import type { Feature, FeatureCollection, Point } from "geojson";
import type { StyleSpecification } from "maplibre-gl";
import type { Language, Layer, LayerFeature } from "../api/types";
import { pick } from "../i18n";
import { ink } from "../ui/severity";
import { bandOf } from "./bands";
import { type Ground, groundLayers, groundSources } from "./ground";

export const FONT = ["Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"];
const NO_BAND = "#8b98a8";

interface PointProperties {
  key: string;
  label: string;
  name: string;
  colour: string;
  ink: string;
  stale: boolean;
  selected: boolean;
  order: number;
  /** The value between the lowest and the highest shown, 0 to 1. */
  weight: number;
}

export type Points = FeatureCollection<Point, PointProperties>;

/** What lies over the ground beside the points of the layer. */
export interface Overlay {
  ground: Ground | null;
  /** Ways of vehicles or of goods. */
  track: FeatureCollection | null;
  /** Places with alerts: `level` 1 to 4. */
  alerts: FeatureCollection | null;
  /** Whether the points are shown as heat too. */
  heat: boolean;
}

export const NO_OVERLAY: Overlay = { ground: null, track: null, alerts: null, heat: false };

export function pointsOf(
  features: readonly LayerFeature[],
  layer: Layer,
  language: Language,
  selected: string | null,
): Points {
  const values = features.flatMap(({ properties: { value } }) => (typeof value === "number" ? [value] : []));
  const low = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  return {
    type: "FeatureCollection",
    features: features.flatMap(({ geometry, properties }) => {
      if (geometry === null) return [];
      const value = typeof properties.value === "number" ? properties.value : null;
      const colour = bandOf(layer, value)?.colour ?? NO_BAND;
      return [
        {
          type: "Feature" as const,
          geometry,
          properties: {
            key: properties.key,
            label: value === null ? "—" : String(Math.round(value)),
            name: pick(properties.name, language),
            colour,
            ink: ink(colour),
            stale: properties.stale,
            selected: properties.key === selected,
            order: value ?? -1,
            weight: value === null ? 0 : Math.min(1, Math.max(0, (value - low) / (high - low || 1))),
          },
        },
      ];
    }),
  };
}

export const PALETTE = {
  light: {
    ground: "#e9edf2",
    city: "#f5f7f9",
    line: "#d5dce4",
    edge: "#8795a6",
    text: "#2b3848",
    halo: "#f5f7f9",
    accent: "#0f766e",
    ring: "#ffffff",
  },
  dark: {
    ground: "#0f1720",
    city: "#141e2a",
    line: "#1f2b39",
    edge: "#56697f",
    text: "#c9d4e0",
    halo: "#141e2a",
    accent: "#4cc2b5",
    ring: "#0f1720",
  },
};

export function cityStyle(
  bounds: [number, number, number, number],
  points: Points,
  scheme: "light" | "dark",
  overlay: Overlay = NO_OVERLAY,
): StyleSpecification {
  const colours = PALETTE[scheme];
  // Lines of latitude and longitude only where nothing better says where one is.
  const schematic = overlay.ground === null || (overlay.ground.layers.length === 0 && overlay.ground.areas === null);
  const none: FeatureCollection = { type: "FeatureCollection", features: [] };
  const [west, south, east, north] = bounds;
  return {
    version: 8,
    metadata: { frame: frameOf(points, bounds) },
    sources: {
      city: {
        type: "geojson",
        data: {
          type: "Feature",
          properties: {},
          geometry: {
            type: "Polygon",
            coordinates: [
              [
                [west, south],
                [east, south],
                [east, north],
                [west, north],
                [west, south],
              ],
            ],
          },
        },
      },
      graticule: { type: "geojson", data: graticule(bounds) },
      points: { type: "geojson", data: points },
      track: { type: "geojson", data: overlay.track ?? none },
      alerts: { type: "geojson", data: overlay.alerts ?? none },
      ...groundSources(overlay.ground),
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": colours.ground } },
      { id: "city", type: "fill", source: "city", paint: { "fill-color": colours.city } },
      ...groundLayers(overlay.ground, scheme),
      {
        id: "graticule",
        type: "line",
        source: "graticule",
        layout: { visibility: schematic ? "visible" : "none" },
        paint: { "line-color": colours.line, "line-width": 1 },
      },
      {
        id: "graticule-label",
        type: "symbol",
        source: "graticule",
        layout: {
          visibility: schematic ? "visible" : "none",
          "symbol-placement": "line",
          "symbol-spacing": 420,
          "text-field": ["get", "label"],
          "text-font": FONT,
          "text-size": 10,
        },
        paint: { "text-color": colours.edge, "text-halo-color": colours.city, "text-halo-width": 2 },
      },
      { id: "edge", type: "line", source: "city", paint: { "line-color": colours.edge, "line-width": 1 } },
      {
        id: "heat",
        type: "heatmap",
        source: "points",
        layout: { visibility: overlay.heat ? "visible" : "none" },
        paint: {
          "heatmap-weight": ["interpolate", ["linear"], ["get", "weight"], 0, 0.1, 1, 1],
          "heatmap-radius": ["interpolate", ["linear"], ["zoom"], 7, 16, 13, 60],
          "heatmap-opacity": 0.7,
        },
      },
      {
        id: "track-case",
        type: "line",
        source: "track",
        layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": colours.halo, "line-width": 6 },
      },
      {
        id: "track",
        type: "line",
        source: "track",
        filter: ["==", ["geometry-type"], "LineString"],
        layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": ["case", ["get", "loaded"], colours.accent, colours.edge], "line-width": 3 },
      },
      {
        id: "track-place",
        type: "circle",
        source: "track",
        filter: ["==", ["geometry-type"], "Point"],
        paint: {
          "circle-radius": ["case", ["get", "here"], 8, 5],
          "circle-color": ["case", ["get", "here"], colours.accent, colours.halo],
          "circle-stroke-color": ["case", ["get", "here"], colours.ring, colours.text],
          "circle-stroke-width": 2,
        },
      },
      {
        id: "track-name",
        type: "symbol",
        source: "track",
        filter: ["==", ["geometry-type"], "Point"],
        layout: {
          "text-field": ["get", "name"],
          "text-font": FONT,
          "text-size": 12,
          "text-offset": [0, 1.2],
          "text-anchor": "top",
        },
        paint: { "text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.5 },
      },
      // Symbols of upper layers are placed first: names keep clear of the circles by keeping clear of their values.
      {
        id: "names",
        type: "symbol",
        source: "points",
        layout: {
          "text-field": ["get", "name"],
          "text-font": FONT,
          "text-size": 12,
          "text-variable-anchor-offset": ["top", [0, 1.4], "bottom", [0, -1.4], "left", [1.5, 0], "right", [-1.5, 0]],
          "symbol-sort-key": ["-", 0, ["get", "order"]],
        },
        paint: { "text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.5 },
      },
      {
        id: "alerts",
        type: "circle",
        source: "alerts",
        paint: {
          "circle-radius": ["interpolate", ["linear"], ["zoom"], 8, 9, 13, 18],
          "circle-color": ["match", ["get", "level"], 1, "#d92d20", 2, "#e8590c", 3, "#f2c200", "#2f76e0"],
          "circle-opacity": 0.28,
          "circle-stroke-color": ["match", ["get", "level"], 1, "#d92d20", 2, "#e8590c", 3, "#f2c200", "#2f76e0"],
          "circle-stroke-width": 2,
        },
      },
      {
        id: "selected",
        type: "circle",
        source: "points",
        filter: ["get", "selected"],
        paint: {
          "circle-radius": ["interpolate", ["linear"], ["zoom"], 8, 17, 10, 21],
          "circle-color": "rgba(0,0,0,0)",
          "circle-stroke-color": colours.accent,
          "circle-stroke-width": 3,
        },
      },
      {
        id: "points",
        type: "circle",
        source: "points",
        layout: { "circle-sort-key": ["get", "order"] },
        paint: {
          "circle-radius": ["interpolate", ["linear"], ["zoom"], 8, 12, 10, 16],
          "circle-color": ["get", "colour"],
          "circle-opacity": ["case", ["get", "stale"], 0.45, 1],
          "circle-stroke-color": ["case", ["get", "stale"], colours.text, colours.ring],
          "circle-stroke-width": ["case", ["get", "stale"], 1, 2],
        },
      },
      {
        id: "values",
        type: "symbol",
        source: "points",
        layout: {
          "text-field": ["get", "label"],
          "text-font": FONT,
          "text-size": ["interpolate", ["linear"], ["zoom"], 8, 11, 10, 13],
          "text-allow-overlap": true,
          "text-padding": 5,
          "symbol-sort-key": ["get", "order"],
        },
        paint: { "text-color": ["case", ["get", "stale"], colours.text, ["get", "ink"]] },
      },
    ],
  };
}

type Sized = Record<string, unknown>;
const SIZES = ["text-size", "circle-radius", "circle-stroke-width", "line-width", "text-halo-width"];

/** The same map with its words and marks so many times as large, for a screen that is read from afar. */
export function enlarged(style: StyleSpecification, times: number): StyleSpecification {
  if (times === 1) return style;
  const larger = (values: Sized | undefined): Sized | undefined =>
    values &&
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, SIZES.includes(name) ? grown(value) : value]),
    );
  const grown = (value: unknown): unknown => {
    if (typeof value === "number") return value * times;
    if (!Array.isArray(value)) return value;
    // steps by zoom: every second entry from the first result on; choices: the results
    if (value[0] === "interpolate") return value.map((one, at) => (at > 3 && at % 2 === 0 ? grown(one) : one));
    if (value[0] === "case")
      return value.map((one, at) => (at > 0 && (at % 2 === 0 || at === value.length - 1) ? grown(one) : one));
    return value;
  };
  const layers = style.layers.map((layer) => ({
    ...layer,
    ...("layout" in layer ? { layout: larger(layer.layout as Sized) } : {}),
    ...("paint" in layer ? { paint: larger(layer.paint as Sized) } : {}),
  }));
  return { ...style, layers: layers as StyleSpecification["layers"] };
}

function frameOf(points: Points, bounds: [number, number, number, number]): [number, number, number, number] {
  if (points.features.length < 2) return bounds;
  let [west, south, east, north] = [180, 90, -180, -90];
  for (const { geometry } of points.features) {
    const [lon = 0, lat = 0] = geometry.coordinates;
    west = Math.min(west, lon);
    east = Math.max(east, lon);
    south = Math.min(south, lat);
    north = Math.max(north, lat);
  }
  return [west, south, east, north];
}

/** Meridians and parallels at the widest step that still gives a handful of lines. */
function graticule([west, south, east, north]: [number, number, number, number]): FeatureCollection {
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2].find((one) => Math.max(east - west, north - south) / one <= 12) ?? 5;
  const lines: Feature[] = [];
  const line = (label: string, coordinates: [number, number][]) =>
    lines.push({ type: "Feature", properties: { label }, geometry: { type: "LineString", coordinates } });
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  for (let at = Math.ceil(west / step); at * step < east; at++)
    line(`${(at * step).toFixed(digits)}°E`, [
      [at * step, south],
      [at * step, north],
    ]);
  for (let at = Math.ceil(south / step); at * step < north; at++)
    line(`${(at * step).toFixed(digits)}°N`, [
      [west, at * step],
      [east, at * step],
    ]);
  return { type: "FeatureCollection", features: lines };
}
