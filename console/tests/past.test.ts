import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { lanes, levelAt, type PastAlert, standing, windowOf } from "../src/command/past";
import { en } from "../src/command/words.en";
import { zh } from "../src/command/words.zh";
import { recent, remember } from "../src/palette/recent";
import { en as paletteEn } from "../src/palette/words.en";
import { zh as paletteZh } from "../src/palette/words.zh";

const T = Date.parse("2026-03-24T08:00:00Z");
const HOUR = 3_600_000;
const iso = (hours: number) => new Date(T + hours * HOUR).toISOString();

const alert = (more: Partial<PastAlert>): PastAlert => ({
  id: "a",
  kind: "k",
  kind_title: {},
  subject: { kind: "site", id: "S1", name: {} },
  raised_at: iso(0),
  start_at: iso(0),
  ended_at: null,
  acknowledged_at: null,
  incident_id: "i",
  levels: [[iso(0), 3]],
  ...more,
});

describe("alerts of an earlier moment", () => {
  const one = alert({
    levels: [
      [iso(0), 3],
      [iso(2), 1],
      [iso(5), null],
    ],
    acknowledged_at: iso(3),
    ended_at: iso(5),
  });

  it("have the level they had then", () => {
    expect([-1, 0, 1.9, 2, 4, 5, 9].map((hour) => levelAt(one, T + hour * HOUR))).toEqual([
      undefined,
      3,
      3,
      1,
      1,
      null,
      null,
    ]);
  });

  it("are there from their raising to their end, acknowledged only once they were", () => {
    const states = [-1, 0, 2.5, 3, 5].map((hour) =>
      standing([one], T + hour * HOUR).map(({ state, level }) => [state, level]),
    );
    expect(states).toEqual([[], [["raised", 3]], [["raised", 1]], [["acknowledged", 1]], []]);
  });

  it("are counted by the level they began with, in the bin of their raising", () => {
    const window = { from: T - HOUR, to: T + HOUR };
    const counted = lanes(
      [one, alert({ raised_at: iso(1), levels: [[iso(1), 1]] }), alert({ raised_at: iso(9) })],
      window,
      4,
    );
    expect(counted).toEqual([
      [0, 0, 0, 1],
      [0, 0, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 0],
    ]);
  });

  it("are looked for up to now, or around a moment before it", () => {
    expect(windowOf(24, T, null)).toEqual({ from: T - 24 * HOUR, to: T });
    expect(windowOf(24, T, T - 20 * HOUR)).toEqual({ from: T - 24 * HOUR, to: T });
    expect(windowOf(24, T, T - 100 * HOUR)).toEqual({ from: T - 112 * HOUR, to: T - 88 * HOUR });
  });
});

describe("the words of the command page and the palette", () => {
  it("are there in both languages, each used, with the same places to fill", () => {
    const places = (words: string) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    for (const [one, other] of [
      [zh, en],
      [paletteZh, paletteEn],
    ] as const) {
      expect(Object.keys(other).sort()).toEqual(Object.keys(one).sort());
      for (const [key, words] of Object.entries(one)) {
        expect(places((other as Record<string, string>)[key] ?? ""), key).toEqual(places(words));
        expect(/\p{Script=Han}/u.test((other as Record<string, string>)[key] ?? ""), key).toBe(false);
      }
    }
    const code =
      ["Brush", "Help", "objects"].map((name) => readFileSync(`src/command/${name}.tsx`, "utf8")).join("") +
      readFileSync("src/pages/Command.tsx", "utf8");
    const unused = Object.keys(zh).filter((key) => !code.includes(`"${key}"`) && !/^(shown|brush)\./.test(key));
    expect(unused).toEqual([]);
  });
});

describe("what was opened lately", () => {
  it("is kept for each person apart, newest first, and only how to get there", () => {
    const store = new Map<string, string>();
    const item = (id: string) => ({
      kind: "alert" as const,
      id,
      title: { en: id },
      detail: { en: "x" },
      path: `/alerts/${id}`,
      level: 1 as const,
    });
    Object.assign(globalThis, {
      localStorage: {
        getItem: (key: string) => store.get(key) ?? null,
        setItem: (key: string, value: string) => store.set(key, value),
      },
    });
    for (const id of ["1", "2", "1", ...Array.from({ length: 12 }, (_, at) => `x${at}`), "2"]) remember("p", item(id));
    expect(recent("p").map(({ id }) => id)[0]).toBe("2");
    expect(recent("p")).toHaveLength(8);
    expect(recent("p")[0]).toEqual({ kind: "alert", id: "2", title: { en: "2" }, detail: {}, path: "/alerts/2" });
    expect(recent("other")).toEqual([]);
    store.set("cityheart.recent.p", '[{"path": "http://evil"}, 7, null]');
    expect(recent("p")).toEqual([]);
    store.set("cityheart.recent.p", "{");
    expect(recent("p")).toEqual([]);
  });
});
