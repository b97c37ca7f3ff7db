/** What the map stands on: the city's own layers where it has some, its areas, and its zones of rules. */

import { useQuery } from "@tanstack/react-query";
import type { Feature, FeatureCollection, Geometry, Position } from "geojson";
import type { LayerSpecification, SourceSpecification } from "maplibre-gl";
import { get } from "../api/client";
import type { Iso, Language, Text } from "../api/types";
import { pick, useWords } from "../i18n";

export interface GroundLayer {
  title: Text;
  kind: "pmtiles" | "geojson";
  url: string;
  draw: "fill" | "line" | "label" | "raster";
  part: string;
  colour: string;
  name: string;
  attribution: string;
}

export interface Ground {
  layers: GroundLayer[];
  areas: FeatureCollection | null;
  zones: FeatureCollection | null;
}

interface Declared {
  schematic: boolean;
  areas: boolean;
  zones: boolean;
  layers: GroundLayer[];
}

const FONT = ["Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"];

/** The city's ground at a moment; areas are those in force on that day. */
export function useGround(at: Iso | null, wanted: { areas: boolean; zones: boolean }): Ground | null {
  const { language } = useWords();
  const declared = useQuery({
    queryKey: ["declared", "ground"],
    queryFn: () => get<Declared>("/api/ground"),
    staleTime: 600_000,
  }).data;
  const day = at?.slice(0, 13) ?? null;
  const areas = useQuery({
    queryKey: ["declared", "ground", "areas", day],
    queryFn: () => get<FeatureCollection>("/api/ground/areas", { at: day === null ? null : `${day}:00:00Z` }),
    enabled: declared?.areas === true && wanted.areas,
    staleTime: 600_000,
  }).data;
  const zones = useQuery({
    queryKey: ["declared", "ground", "zones"],
    queryFn: () => get<FeatureCollection>("/api/ground/zones"),
    enabled: declared?.zones === true && wanted.zones,
    staleTime: 600_000,
  }).data;
  if (declared === undefined) return null;
  return {
    layers: declared.layers,
    areas: wanted.areas && areas ? named(areas, language) : null,
    zones: wanted.zones && zones ? named(zones, language) : null,
  };
}

/** The titles in one language: a map's expression picks from plain words. */
const named = (collection: FeatureCollection, language: Language): FeatureCollection => ({
  ...collection,
  features: collection.features.map((feature) => ({
    ...feature,
    properties: { ...feature.properties, title: pick(feature.properties?.title as Text, language) },
  })),
});

/** One place for the name of each area, in the middle of its largest part: islands need no name of their own. */
function labels(areas: FeatureCollection): FeatureCollection {
  return {
    type: "FeatureCollection",
    features: areas.features.flatMap((feature): Feature[] => {
      const middle = middleOf(feature.geometry);
      return middle === null
        ? []
        : [{ type: "Feature", properties: feature.properties, geometry: { type: "Point", coordinates: middle } }];
    }),
  };
}

function middleOf(shape: Geometry): Position | null {
  const outlines =
    shape.type === "Polygon"
      ? shape.coordinates.slice(0, 1)
      : shape.type === "MultiPolygon"
        ? shape.coordinates.flatMap((polygon) => polygon.slice(0, 1))
        : [];
  let best: Position | null = null;
  let largest = 0;
  for (const ring of outlines) {
    let [area, x, y] = [0, 0, 0];
    for (const [at, [east = 0, north = 0]] of ring.entries()) {
      const [nextEast = 0, nextNorth = 0] = ring[(at + 1) % ring.length] ?? [];
      const part = east * nextNorth - nextEast * north;
      area += part;
      x += (east + nextEast) * part;
      y += (north + nextNorth) * part;
    }
    if (Math.abs(area) <= largest) continue;
    largest = Math.abs(area);
    best = [x / (3 * area), y / (3 * area)];
  }
  return best;
}

export function groundSources(ground: Ground | null): Record<string, SourceSpecification> {
  const none: FeatureCollection = { type: "FeatureCollection", features: [] };
  const sources: Record<string, SourceSpecification> = {
    areas: { type: "geojson", data: ground?.areas ?? none },
    "area-names": { type: "geojson", data: labels(ground?.areas ?? none) },
    zones: { type: "geojson", data: ground?.zones ?? none },
  };
  for (const [at, layer] of (ground?.layers ?? []).entries()) {
    const url = new URL(layer.url, window.location.origin).href;
    const attribution = layer.attribution;
    sources[`own-${at}`] =
      layer.kind === "geojson"
        ? { type: "geojson", data: url, attribution }
        : layer.draw === "raster"
          ? { type: "raster", url: `pmtiles://${url}`, tileSize: 256, attribution }
          : { type: "vector", url: `pmtiles://${url}`, attribution };
  }
  return sources;
}

const COLOURS = {
  light: { own: "#b9c4d0", fill: "#dfe7ee", area: "#8795a6", text: "#5b6878", halo: "#f5f7f9", zone: "#a34a3d" },
  dark: { own: "#3a4a5c", fill: "#1a2634", area: "#56697f", text: "#9caaba", halo: "#141e2a", zone: "#d98578" },
};

export function groundLayers(ground: Ground | null, scheme: "light" | "dark"): LayerSpecification[] {
  const colours = COLOURS[scheme];
  const own = (ground?.layers ?? []).map((layer, at): LayerSpecification => {
    const source = `own-${at}`;
    const part = layer.kind === "pmtiles" && layer.part !== "" ? { "source-layer": layer.part } : {};
    const base = { id: source, source, ...part };
    if (layer.draw === "raster") return { ...base, type: "raster" };
    if (layer.draw === "fill")
      return { ...base, type: "fill", paint: { "fill-color": layer.colour || colours.fill, "fill-opacity": 0.8 } };
    if (layer.draw === "line")
      return { ...base, type: "line", paint: { "line-color": layer.colour || colours.own, "line-width": 1.2 } };
    return {
      ...base,
      type: "symbol",
      layout: { "text-field": ["get", layer.name], "text-font": FONT, "text-size": 11 },
      paint: { "text-color": layer.colour || colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.2 },
    };
  });
  return [
    ...own,
    { id: "areas", type: "line", source: "areas", paint: { "line-color": colours.area, "line-width": 1 } },
    {
      id: "area-names",
      type: "symbol",
      source: "area-names",
      layout: { "text-field": ["get", "title"], "text-font": FONT, "text-size": 12, "text-letter-spacing": 0.1 },
      paint: { "text-color": colours.text, "text-halo-color": colours.halo, "text-halo-width": 1.5 },
    },
    { id: "zones", type: "fill", source: "zones", paint: { "fill-color": colours.zone, "fill-opacity": 0.12 } },
    {
      id: "zone-edges",
      type: "line",
      source: "zones",
      paint: { "line-color": colours.zone, "line-width": 1.5, "line-dasharray": [4, 2] },
    },
    {
      id: "zone-names",
      type: "symbol",
      source: "zones",
      minzoom: 9.5,
      layout: { "text-field": ["get", "title"], "text-font": FONT, "text-size": 11 },
      paint: { "text-color": colours.zone, "text-halo-color": colours.halo, "text-halo-width": 1.5 },
    },
  ];
}
