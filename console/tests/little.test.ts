import { describe, expect, it } from "vitest";
import type { SeriesLine } from "../src/api/types";
import { placeAt } from "../src/map/way";
import { labelOf } from "../src/ui/Cell";
import { pathOf, scaleOf } from "../src/ui/LittleChart";
import { alone, namedAtEnd, withBand } from "../src/ui/lines";
import { unitWord } from "../src/ui/unit";

describe("a small chart", () => {
  it("has round marks that hold every value", () => {
    for (const values of [[0, 301], [3, 4], [-5, 5], [0.0012, 0.0019], [1e6, 1.2e6], [7], [-3], [0]]) {
      const { low, high, ticks } = scaleOf(values);
      expect(low).toBeLessThanOrEqual(Math.min(...values));
      expect(high).toBeGreaterThanOrEqual(Math.max(...values));
      expect(ticks[0]).toBeCloseTo(low, 9);
      expect(ticks.at(-1)).toBeCloseTo(high, 9);
      expect(ticks.length).toBeGreaterThan(1);
      expect(ticks.length).toBeLessThan(8);
    }
    expect(scaleOf([])).toEqual({ low: 0, high: 1, ticks: [0, 1] });
  });

  it("knows the points that no line leads to", () => {
    const line = { name: { "zh-CN": "线", en: "line" }, style: "observed" as const };
    const points = [1, null, 2, null, 3, 4].map(
      (value, at) => [`2026-03-01T0${at}:00:00Z`, value] as [string, number | null],
    );
    expect(alone({ ...line, points })).toEqual([true, false, true, false, false, false]);
    expect(alone({ ...line, points: [] })).toEqual([]);
  });

  it("leaves a gap where nothing is known", () => {
    const same = (value: number) => value;
    expect(
      pathOf(
        [
          [0, 1],
          [1, 2],
          [2, null],
          [3, 4],
        ],
        same,
        same,
      ),
    ).toBe("M0.0 1.0L1.0 2.0M3.0 4.0");
    expect(pathOf([[0, null]], same, same)).toBe("");
  });

  it("takes a normal band given beside the lines as two of them", () => {
    const low: [string, number][] = [["2026-03-24T08:00:00Z", 1]];
    const high: [string, number][] = [["2026-03-24T08:00:00Z", 3]];
    const bare = { type: "series" as const, title: {}, unit: "", series: [], thresholds: [] };
    expect(withBand(bare)).toBe(bare);
    expect(withBand({ ...bare, band: { low, high } }).series.map(({ style, points }) => [style, points])).toEqual([
      ["band_low", low],
      ["band_high", high],
    ]);
  });
});

describe("a way", () => {
  const way = [
    ["2026-03-24T08:00:00Z", 120, 31, 0],
    ["2026-03-24T08:10:00Z", 121, 32, 3],
  ] as const;
  const at = (minutes: number) => placeAt(way, Date.parse("2026-03-24T08:00:00Z") + minutes * 60_000);

  it("is followed in time, and ends where it ends", () => {
    expect([at(-5), at(0), at(5), at(10), at(99)]).toEqual([
      [120, 31],
      [120, 31],
      [120.5, 31.5],
      [121, 32],
      [121, 32],
    ]);
    expect(placeAt([], 0)).toBeNull();
  });
});

describe("the names of lines", () => {
  const line = (name: string, values: readonly (number | null)[]): SeriesLine => ({
    name: { en: name },
    style: "observed",
    points: values.map((value, hour) => [`2020-07-01T0${hour}:00:00Z`, value]),
  });
  const say = (name: SeriesLine["name"]) => (typeof name === "string" ? name : (name.en ?? ""));
  const named = (...lines: SeriesLine[]) => namedAtEnd(lines, say);

  it("stand at the ends where they can be read there", () => {
    expect(named(line("stock", [1, 9]), line("limit", [5, 5]))).toBe(true);
  });

  it("stand below where they would cover one another, be cut, or have no end", () => {
    expect(named(line("all", [3, 0]), line("red", [1, 0]))).toBe(false);
    expect(named(line("In stock by the flows", [1, 9]), line("limit", [5, 5]))).toBe(false);
    expect(named(line("按照流向台账应存", [1, 9]), line("月报存量", [5, 5]))).toBe(true);
    expect(named(line("按照流向台账应有存量", [1, 9]), line("月报存量", [5, 5]))).toBe(false);
    expect(named(line("stock", [1, null]), line("limit", [5, 5]))).toBe(false);
    expect(named(line("stock", [1, 9]))).toBe(false);
  });
});

describe("units", () => {
  it("are written as the reader's language writes them", () => {
    expect(["人", "d", "t", "constructor"].map((unit) => unitWord(unit, "en"))).toEqual([
      "people",
      "d",
      "t",
      "constructor",
    ]);
    expect(["人", "d", "t"].map((unit) => unitWord(unit, "zh-CN"))).toEqual(["人", "天", "t"]);
  });
});

describe("labels of a column", () => {
  const labels = { sale: { "zh-CN": "售出", en: "Sale" }, "2011": { "zh-CN": "实时", en: "Real time" } };
  it("are found by the spelling of a value, and only its own", () => {
    expect(labelOf("sale", labels)?.en).toBe("Sale");
    expect(labelOf(2011, labels)?.en).toBe("Real time");
    expect(["use", "constructor", null, true].map((value) => labelOf(value, labels))).toEqual(Array(4).fill(undefined));
    expect(labelOf("sale", undefined)).toBeUndefined();
  });
});
