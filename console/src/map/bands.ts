/** The bands that a layer declares for its value: above from (the first: from it on), up to and with to; an open end has null. */

import type { Band, Layer } from "../api/types";

export function bandOf(layer: Layer, value: number | null): Band | null {
  if (value === null) return null;
  const inside = layer.bands.find(
    ({ from, to }, at) =>
      (from === null || value > from || (at === 0 && value === from)) && (to === null || value <= to),
  );
  if (inside) return inside;
  // Declared bands may leave the gaps of a whole-number scale open (…50, 51…): the nearest lower band holds.
  const below = layer.bands.filter(({ from }) => from !== null && value >= from);
  return below.at(-1) ?? null;
}
