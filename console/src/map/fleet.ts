/** Vehicles as the live channel tells them: numbers in frames, kept in arrays that go to the map as they are. */

import type { PositionsFrame } from "../api/live";
import { mercatorX, mercatorYNear } from "./mercator";
import type { Points } from "./pointLayer";

const HEAD_BYTES = 16;
const RECORD_BYTES = 16;
const DEGREE = 1e-6;
/** A vehicle glides to its new place in this time; farther than this it is simply there. */
export const GLIDE_MS = 1000;
const FARTHEST = 0.0005; // of the world's width, some 17 km at 31° north
/** The city counts its vehicles from 0 on; a number beyond this is none of its. */
const MOST = 4_000_000;

export interface Frame {
  whole: boolean;
  /** Which of the datasets followed. */
  dataset: number;
  count: number;
  /** The city's time in ms. */
  now: number;
  vehicle(at: number): number;
  lon(at: number): number;
  lat(at: number): number;
  /** Seconds since 1970. */
  time(at: number): number;
}

/** Reads a frame of positions; null for what is none, or one cut short. */
export function readFrame(buffer: ArrayBuffer): Frame | null {
  if (buffer.byteLength < HEAD_BYTES) return null;
  const view = new DataView(buffer);
  const count = view.getUint32(4, true);
  if (view.getUint8(0) !== 1 || buffer.byteLength !== HEAD_BYTES + count * RECORD_BYTES) return null;
  // four numbers a record, written in the order of bytes that every browser's machine has
  const whole = new Uint32Array(buffer, HEAD_BYTES);
  const signed = new Int32Array(buffer, HEAD_BYTES);
  return {
    whole: view.getUint8(1) === 1,
    dataset: view.getUint16(2, true),
    count,
    now: view.getFloat64(8, true),
    vehicle: (record) => whole[record * 4] ?? 0,
    lon: (record) => (signed[record * 4 + 1] ?? 0) * DEGREE,
    lat: (record) => (signed[record * 4 + 2] ?? 0) * DEGREE,
    time: (record) => whole[record * 4 + 3] ?? 0,
  };
}

/** The vehicles of one dataset: where each was and where it goes, as offsets from an origin in the map's square. */
export class Fleet {
  readonly names: string[] = [];
  /** Vehicles on the map, in the order of the arrays below. */
  count = 0;
  /** from x, from y, to x, to y; offsets from the origin, exact to centimetres as float32 inside a city. */
  places = new Float32Array(0);
  /** When each began to glide, ms of the page's clock after `zero`. */
  starts = new Float32Array(0);
  times = new Uint32Array(0);
  numbers = new Uint32Array(0);
  /** Seconds since 1970 of the newest position of all. */
  newest = 0;
  /** Until when something moves, ms of the page's clock. */
  movingUntil = 0;
  /** Rises with every change, so that who draws knows what to upload. */
  change = 0;
  /** For each vehicle's number one more than where it stands in the arrays; 0 for those that are not on the map. */
  private slots = new Int32Array(0);
  private readonly southward: (lat: number) => number;

  constructor(
    readonly origin: { x: number; y: number },
    readonly zero: number,
  ) {
    this.southward = mercatorYNear(origin.y);
  }

  name({ first, names }: Extract<PositionsFrame, { type: "vehicles" }>): void {
    for (const [at, name] of names.entries()) this.names[first + at] = name;
  }

  forget(): void {
    this.names.length = 0;
    this.clear();
  }

  private clear(): void {
    this.slots.fill(0);
    this.count = 0;
    this.change++;
  }

  /** Takes a frame in at a moment of the page's clock. */
  apply(frame: Frame, at: number): void {
    // Whoever looks at another part of the map is told everything anew: nothing glides then.
    if (frame.whole) this.clear();
    this.reserve(this.count + frame.count);
    this.expect(frame);
    const { places, starts, times, numbers, slots, origin, southward } = this;
    const start = at - this.zero;
    let moved = false;
    for (let record = 0; record < frame.count; record++) {
      const number = frame.vehicle(record);
      if (number >= MOST) continue;
      const x = mercatorX(frame.lon(record)) - origin.x;
      const y = southward(frame.lat(record));
      let slot = (slots[number] ?? 0) - 1;
      let fromX = x;
      let fromY = y;
      if (slot === -1) {
        slot = this.count++;
        slots[number] = slot + 1;
        numbers[slot] = number;
      } else {
        const lastX = places[slot * 4 + 2] ?? x;
        const lastY = places[slot * 4 + 3] ?? y;
        if ((lastX - x) ** 2 + (lastY - y) ** 2 < FARTHEST ** 2) [fromX, fromY] = [lastX, lastY];
      }
      places[slot * 4] = fromX;
      places[slot * 4 + 1] = fromY;
      places[slot * 4 + 2] = x;
      places[slot * 4 + 3] = y;
      starts[slot] = start;
      const time = frame.time(record);
      times[slot] = time;
      if (time > this.newest) this.newest = time;
      moved ||= fromX !== x || fromY !== y;
    }
    if (moved) this.movingUntil = at + GLIDE_MS;
    this.change++;
  }

  /** Makes room for the numbers of a frame. */
  private expect(frame: Frame): void {
    let highest = -1;
    for (let record = 0; record < frame.count; record++) {
      const number = frame.vehicle(record);
      if (number > highest && number < MOST) highest = number;
    }
    if (highest < this.slots.length) return;
    const grown = new Int32Array(Math.min(MOST, Math.max(1024, 2 ** Math.ceil(Math.log2(highest + 1)))));
    grown.set(this.slots);
    this.slots = grown;
  }

  private reserve(wanted: number): void {
    const size = this.starts.length;
    if (wanted <= size) return;
    const more = Math.max(1024, 2 ** Math.ceil(Math.log2(wanted)));
    const grown = <T extends Float32Array | Uint32Array>(made: T, from: T): T => {
      made.set(from);
      return made;
    };
    this.places = grown(new Float32Array(more * 4), this.places);
    this.starts = grown(new Float32Array(more), this.starts);
    this.times = grown(new Uint32Array(more), this.times);
    this.numbers = grown(new Uint32Array(more), this.numbers);
  }

  /** Every vehicle on the map, the newest first; at most so many. */
  list(most: number): { name: string; lon: number; lat: number; at: number; slot: number }[] {
    const slots = Array.from({ length: this.count }, (_, slot) => slot);
    slots.sort((a, b) => (this.times[b] ?? 0) - (this.times[a] ?? 0));
    return slots.slice(0, most).map((slot) => ({
      name: this.nameOf(slot),
      lon: (this.origin.x + (this.places[slot * 4 + 2] ?? 0)) * 360 - 180,
      lat: latitude(this.origin.y + (this.places[slot * 4 + 3] ?? 0)),
      at: this.times[slot] ?? 0,
      slot,
    }));
  }

  nameOf(slot: number): string {
    return this.names[this.numbers[slot] ?? -1] ?? "";
  }

  slotOf(name: string): number | null {
    const slot = (this.slots[this.names.indexOf(name)] ?? 0) - 1;
    return slot === -1 ? null : slot;
  }
}

const latitude = (y: number) => (360 / Math.PI) * Math.atan(Math.exp(((180 - y * 360) * Math.PI) / 180)) - 90;

/** The fleet as the layer draws it; `still`: without motion between what is told. */
export function pointsOf(fleet: Fleet, still: boolean): Points {
  return {
    get origin() {
      return fleet.origin;
    },
    get zero() {
      return fleet.zero;
    },
    get count() {
      return fleet.count;
    },
    get places() {
      return fleet.places;
    },
    get starts() {
      return fleet.starts;
    },
    get change() {
      return fleet.change;
    },
    get movingUntil() {
      return still ? 0 : fleet.movingUntil;
    },
    glide: still ? 1 : GLIDE_MS,
    colours: null,
  };
}
