/** The city's time on a phone: what the city's clock said when they last spoke, and how long ago that is. */

import type { City } from "../api/types";
import type { Anchor } from "./types";

/** The answer of the city lies between asking and hearing; the middle is the best guess. */
export function anchored(city: City, asked: number, heard: number): Anchor {
  const simulated = city.clock.kind === "virtual";
  return {
    phone: (asked + heard) / 2,
    city: Date.parse(city.now),
    speed: simulated ? (city.clock.playing ? (city.clock.speed ?? 1) : 0) : 1,
    simulated,
    zone: city.zone,
    title: city.title,
  };
}

/** The city's time at a moment of the phone's clock. */
export const cityNow = (anchor: Anchor | null, phone: number): number =>
  anchor === null ? phone : anchor.city + (phone - anchor.phone) * anchor.speed;

/**
 * How a moment of the phone is written for the city. A real city is told the phone's own clock, with the phone's present
 * beside it, and sets it right itself. A simulated city lives in another year: there its clock is the phone's.
 */
export const stamp = (anchor: Anchor | null, phone: number): string =>
  new Date(anchor?.simulated ? cityNow(anchor, phone) : phone).toISOString();
