/** Ways on the map: lines that tell loaded from empty, and spots with names. */

import type { Feature } from "geojson";

export type WayPoint = readonly [at: string, lon: number, lat: number, load: number | null];

/** The stretches of one way, each loaded or empty throughout. */
export function linesOfWay(points: readonly WayPoint[]): Feature[] {
  const parts: { loaded: boolean; coordinates: [number, number][] }[] = [];
  for (const [, lon, lat, load] of points) {
    const loaded = (load ?? 0) > 0;
    const last = parts.at(-1);
    last?.coordinates.push([lon, lat]);
    if (last?.loaded !== loaded) parts.push({ loaded, coordinates: [[lon, lat]] });
  }
  return parts
    .filter(({ coordinates }) => coordinates.length > 1)
    .map(({ loaded, coordinates }) => ({
      type: "Feature",
      properties: { loaded },
      geometry: { type: "LineString", coordinates },
    }));
}

/** One place on a way; `here` is where somebody is now. */
export const spot = (coordinates: [number, number], name: string, here: boolean): Feature => ({
  type: "Feature",
  properties: { name, here },
  geometry: { type: "Point", coordinates },
});

/** Where one was at a moment, between the points before and after it. */
export function placeAt(points: readonly WayPoint[], at: number): [number, number] | null {
  const first = points[0];
  if (first === undefined) return null;
  let before = first;
  for (const point of points) {
    const time = Date.parse(point[0]);
    if (time >= at) {
      const began = Date.parse(before[0]);
      const share = time > began ? Math.min(1, Math.max(0, (at - began) / (time - began))) : 1;
      return [before[1] + share * (point[1] - before[1]), before[2] + share * (point[2] - before[2])];
    }
    before = point;
  }
  return [before[1], before[2]];
}
