import { describe, expect, it } from "vitest";
import { Fleet, GLIDE_MS, readFrame } from "../src/map/fleet";
import { latOf, lonOf, mercatorX, mercatorY, mercatorYNear } from "../src/map/mercator";
import { nearest } from "../src/map/pointLayer";

type Record = [vehicle: number, lon: number, lat: number, at: number];

function frame(records: Record[], { whole = false, dataset = 0, now = 1_594_396_800_000 } = {}): ArrayBuffer {
  const buffer = new ArrayBuffer(16 + records.length * 16);
  const view = new DataView(buffer);
  view.setUint8(0, 1);
  view.setUint8(1, whole ? 1 : 0);
  view.setUint16(2, dataset, true);
  view.setUint32(4, records.length, true);
  view.setFloat64(8, now, true);
  for (const [at, [vehicle, lon, lat, time]] of records.entries()) {
    view.setUint32(16 + at * 16, vehicle, true);
    view.setInt32(20 + at * 16, Math.round(lon * 1e6), true);
    view.setInt32(24 + at * 16, Math.round(lat * 1e6), true);
    view.setUint32(28 + at * 16, time, true);
  }
  return buffer;
}

const ORIGIN = { x: mercatorX(121), y: mercatorY(32) };
const fleet = () => new Fleet(ORIGIN, 0);
const take = (one: Fleet, records: Record[], at: number, whole = false) => {
  const read = readFrame(frame(records, { whole }));
  if (read === null) throw new Error("no frame");
  one.apply(read, at);
};

describe("frames of positions", () => {
  it("are read as they were written", () => {
    const read = readFrame(frame([[7, 121.123456, -32.5, 1_594_396_000]], { whole: true, dataset: 3 }));
    expect([read?.whole, read?.dataset, read?.count, read?.now]).toEqual([true, 3, 1, 1_594_396_800_000]);
    expect([read?.vehicle(0), read?.time(0)]).toEqual([7, 1_594_396_000]);
    expect(read?.lon(0)).toBeCloseTo(121.123456, 9);
    expect(read?.lat(0)).toBeCloseTo(-32.5, 9);
  });

  it("that are cut short or of another version are none", () => {
    const whole = frame([[1, 121, 32, 1]]);
    for (let bytes = 0; bytes < whole.byteLength; bytes++) expect(readFrame(whole.slice(0, bytes))).toBeNull();
    const other = frame([]);
    new DataView(other).setUint8(0, 2);
    expect(readFrame(other)).toBeNull();
  });
});

describe("a place near another", () => {
  it("is found to a centimetre without the logarithm, and with it farther away", () => {
    for (const centre of [-60, 0, 31.98, 45, 70])
      for (let away = -3; away <= 3; away += 0.01) {
        const y = mercatorY(centre);
        const metres = Math.abs(mercatorYNear(y)(centre + away) - (mercatorY(centre + away) - y)) * 40_075_017;
        expect(metres).toBeLessThan(0.01);
      }
  });
});

describe("a fleet", () => {
  it("takes no number that no vehicle of the city has", () => {
    const one = fleet();
    take(one, [[4_294_967_295, 121, 32, 10]], 0);
    expect([one.count, one.slotOf("A")]).toEqual([0, null]);
  });

  it("moves each vehicle from where it was to where it is, once", () => {
    const one = fleet();
    one.name({ type: "vehicles", dataset: "d", first: 0, names: ["A", "B"] });
    take(
      one,
      [
        [0, 121, 32, 10],
        [1, 121.1, 32.1, 11],
      ],
      1000,
      true,
    );
    expect([one.count, one.movingUntil, one.newest]).toEqual([2, 0, 11]);
    take(one, [[1, 121.1001, 32.1, 20]], 2000);
    expect(one.count).toBe(2);
    expect(one.movingUntil).toBe(2000 + GLIDE_MS);
    const slot = one.slotOf("B") ?? -1;
    expect(one.places[slot * 4 + 2]).toBeGreaterThan(one.places[slot * 4] ?? 0);
    expect(one.list(9).map(({ name }) => name)).toEqual(["B", "A"]);
    expect(one.list(1)[0]?.lon).toBeCloseTo(121.1001, 5);
    expect(one.list(1)[0]?.lat).toBeCloseTo(32.1, 5);
  });

  it("lets nothing fly across the city, and nothing glide when the view moves", () => {
    const one = fleet();
    take(one, [[0, 121, 32, 10]], 0, true);
    take(one, [[0, 122.5, 33, 20]], 1000);
    expect(one.movingUntil).toBe(0);
    take(one, [[0, 122.5001, 33, 30]], 2000, true);
    expect(one.movingUntil).toBe(0);
  });

  it("forgets what a whole frame leaves out, and everything with a new link", () => {
    const one = fleet();
    one.name({ type: "vehicles", dataset: "d", first: 0, names: ["A", "B"] });
    take(
      one,
      [
        [0, 121, 32, 10],
        [1, 121, 32, 10],
      ],
      0,
      true,
    );
    take(one, [[1, 121, 32, 10]], 1, true);
    expect([one.count, one.slotOf("A"), one.slotOf("B")]).toEqual([1, null, 0]);
    one.forget();
    expect([one.count, one.names.length]).toEqual([0, 0]);
  });

  it("takes frames of 20,000 vehicles, which all move on", () => {
    const records: Record[] = Array.from({ length: 20_000 }, (_, at) => [
      at,
      120.5 + (at % 200) / 200,
      31.5 + at / 20_000,
      at,
    ]);
    const one = fleet();
    take(one, records, 0, true);
    take(
      one,
      records.map(([id, lon, lat, at]): Record => [id, lon + 1e-4, lat, at + 1]),
      1000,
    );
    expect(one.count).toBe(20_000);
    expect(one.movingUntil).toBe(1000 + GLIDE_MS);
  });
});

describe("the map's square", () => {
  it("goes there and back", () => {
    for (const [lon, lat] of [
      [121, 32],
      [-75.5, 40.25],
      [0, -60],
    ] as const) {
      expect(lonOf(mercatorX(lon))).toBeCloseTo(lon, 9);
      expect(latOf(mercatorY(lat))).toBeCloseTo(lat, 9);
    }
  });

  it("keeps half a metre as float32 offsets inside a city", () => {
    const metre = 1 / 40_075_017;
    for (const lon of [119, 120.3, 121.7, 123]) {
      const exact = mercatorX(lon) - ORIGIN.x;
      expect(Math.abs(Math.fround(exact) - exact) / metre).toBeLessThan(0.5);
    }
  });
});

describe("what is under the pointer", () => {
  it("is the nearest within reach, or nothing", () => {
    const one = fleet();
    take(
      one,
      [
        [0, 121, 32, 1],
        [1, 121.001, 32, 1],
      ],
      0,
      true,
    );
    const points = { ...one, origin: one.origin, glide: 1, colours: null, zero: 0 };
    const at = (lon: number) => nearest(points, mercatorX(lon), mercatorY(32), mercatorX(0.002) - mercatorX(0));
    expect([at(120.9999), at(121.0009), at(121.01)]).toEqual([0, 1, null]);
  });
});
