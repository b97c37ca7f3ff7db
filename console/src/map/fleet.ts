/** Vehicles as the live channel tells them: numbers in frames, kept in arrays that go to the map as they are. */

import type { PositionsFrame } from "../api/live";
import { mercatorX, mercatorY } from "./mercator";

const HEAD_BYTES = 16;
const RECORD_BYTES = 16;
const DEGREE = 1e-6;
/** A vehicle glides to its new place in this time; farther than this it is simply there. */
export const GLIDE_MS = 1000;
const FARTHEST = 0.0005; // of the world's width, some 17 km at 31° north

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
  const at = (record: number, field: number) => HEAD_BYTES + record * RECORD_BYTES + field;
  return {
    whole: view.getUint8(1) === 1,
    dataset: view.getUint16(2, true),
    count,
    now: view.getFloat64(8, true),
    vehicle: (record) => view.getUint32(at(record, 0), true),
    lon: (record) => view.getInt32(at(record, 4), true) * DEGREE,
    lat: (record) => view.getInt32(at(record, 8), true) * DEGREE,
    time: (record) => view.getUint32(at(record, 12), true),
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
  private slots = new Map<number, number>();

  constructor(
    readonly origin: { x: number; y: number },
    readonly zero: number,
  ) {}

  name({ first, names }: Extract<PositionsFrame, { type: "vehicles" }>): void {
    for (const [at, name] of names.entries()) this.names[first + at] = name;
  }

  forget(): void {
    this.names.length = 0;
    this.clear();
  }

  private clear(): void {
    this.slots.clear();
    this.count = 0;
    this.change++;
  }

  /** Takes a frame in at a moment of the page's clock. */
  apply(frame: Frame, at: number): void {
    const before = frame.whole ? new Map(this.slots) : null;
    const old = frame.whole ? this.places.slice(0, this.count * 4) : null;
    if (frame.whole) this.clear();
    this.reserve(this.count + frame.count);
    const { places, starts, times, numbers } = this;
    const start = at - this.zero;
    for (let record = 0; record < frame.count; record++) {
      const number = frame.vehicle(record);
      let slot = this.slots.get(number);
      const x = mercatorX(frame.lon(record)) - this.origin.x;
      const y = mercatorY(frame.lat(record)) - this.origin.y;
      let fromX = x;
      let fromY = y;
      const known = before === null ? slot : before.get(number);
      const source = old ?? places;
      if (known !== undefined) {
        // It is told anew when the view moves: nothing glides then.
        const lastX = source[known * 4 + 2] ?? x;
        const lastY = source[known * 4 + 3] ?? y;
        if (before === null && Math.hypot(lastX - x, lastY - y) < FARTHEST) [fromX, fromY] = [lastX, lastY];
      }
      if (slot === undefined) {
        slot = this.count++;
        this.slots.set(number, slot);
        numbers[slot] = number;
      }
      places[slot * 4] = fromX;
      places[slot * 4 + 1] = fromY;
      places[slot * 4 + 2] = x;
      places[slot * 4 + 3] = y;
      starts[slot] = start;
      times[slot] = frame.time(record);
      this.newest = Math.max(this.newest, times[slot] ?? 0);
      if (fromX !== x || fromY !== y) this.movingUntil = at + GLIDE_MS;
    }
    this.change++;
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
    const number = this.names.indexOf(name);
    return number === -1 ? null : (this.slots.get(number) ?? null);
  }
}

const latitude = (y: number) => (360 / Math.PI) * Math.atan(Math.exp(((180 - y * 360) * Math.PI) / 180)) - 90;
