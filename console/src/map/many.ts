/** A layer of many points as arrays for one draw call: coloured by band, those that are stale paler. */

import type { Layer, LayerFeature } from "../api/types";
import { bandOf } from "./bands";
import { mercatorX, mercatorY } from "./mercator";
import { type Points, rgb } from "./pointLayer";

const NO_BAND = "#8b98a8";
let changes = 0;

export interface Crowd {
  points: Points;
  /** What each point is, in the same order. */
  those: readonly LayerFeature["properties"][];
}

export function manyPoints(features: readonly LayerFeature[], layer: Layer, scheme: "light" | "dark"): Crowd {
  const placed = features.flatMap(({ geometry, properties }) => (geometry === null ? [] : [{ geometry, properties }]));
  const first = placed[0]?.geometry.coordinates ?? [0, 0];
  const origin = { x: mercatorX(first[0]), y: mercatorY(first[1]) };
  const places = new Float32Array(placed.length * 4);
  const colours = new Uint8Array(placed.length * 4);
  const paints = new Map<string, [number, number, number]>();
  for (const [at, { geometry, properties }] of placed.entries()) {
    const x = mercatorX(geometry.coordinates[0]) - origin.x;
    const y = mercatorY(geometry.coordinates[1]) - origin.y;
    places.set([x, y, x, y], at * 4);
    const value = typeof properties.value === "number" ? properties.value : null;
    const colour = bandOf(layer, value)?.colour ?? NO_BAND;
    let paint = paints.get(colour);
    if (paint === undefined) {
      paint = rgb(colour);
      paints.set(colour, paint);
    }
    colours.set([...paint, properties.stale ? (scheme === "dark" ? 120 : 110) : 255], at * 4);
  }
  const points: Points = {
    origin,
    zero: 0,
    count: placed.length,
    places,
    starts: new Float32Array(placed.length),
    change: ++changes,
    movingUntil: 0,
    glide: 1,
    colours,
  };
  return { points, those: placed.map(({ properties }) => properties) };
}
