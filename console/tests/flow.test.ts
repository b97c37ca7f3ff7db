import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rounded, ticks } from "../src/flow/Bars";
import { bytesOf, hex, looksLikeText, readable, recordOf } from "../src/flow/hex";
import {
  along,
  grouped,
  type Line,
  marks,
  path,
  rim,
  sides,
  thickness,
  travelled,
  vein,
  worst,
} from "../src/flow/layout";
import type { FlowDepartment } from "../src/flow/types";
import { unitOf } from "../src/flow/words";
import { en } from "../src/flow/words.en";
import { zh } from "../src/flow/words.zh";
import { sized } from "../src/hand/size";

const department = (code: string, kind: string) =>
  ({ code, kind, title: { "zh-CN": code, en: code }, state: "ok" }) as unknown as FlowDepartment;
const many = (kinds: Record<string, number>) =>
  Object.entries(kinds).flatMap(([kind, n]) => Array.from({ length: n }, (_, at) => department(`${kind}-${at}`, kind)));
const codes = (lines: Line[]) => lines.flatMap(({ department: one }) => (one ? [one.code] : []));

describe("the picture", () => {
  it("puts every department on exactly one side, whatever kinds there are", () => {
    const cities: Record<string, number>[] = [
      { party: 11, other: 8, line: 8, government: 35 },
      { bureau: 62 },
      { government: 1 },
      { party: 1, government: 61, unheard: 3 },
      {},
    ];
    for (const kinds of cities) {
      const departments = many(kinds);
      const [left, right] = sides(grouped(departments));
      expect([...codes(left), ...codes(right)].sort()).toEqual(departments.map(({ code }) => code).sort());
      const longest = Math.max(left.length, right.length);
      expect(longest).toBeLessThanOrEqual(Math.max((departments.length + Object.keys(kinds).length) * 0.6 + 2, 2));
      for (const side of [left, right]) {
        if (side.length > 0) expect(side.at(-1)?.department).not.toBeNull();
        for (const [at, line] of side.entries())
          if (line.department !== null) expect(side[at - 1]?.kind).toBe(line.kind);
      }
    }
  });

  it("shows more as thicker, a row a day as something, and 20,000 a second as no flood", () => {
    const rates = [0, 1 / 86_400, 1 / 60, 1, 100, 20_000];
    const widths = rates.map(thickness);
    expect([...widths].sort((one, other) => one - other)).toEqual(widths);
    expect(new Set(widths).size).toBe(widths.length);
    expect(widths.at(-1)).toBeLessThan(8);
    expect([marks(0), marks(1e-9)]).toEqual([0, 1]);
  });

  it("leads each vein from its row to the rim of the heart", () => {
    for (const side of [-1, 1] as const)
      for (let n = 0; n < 5; n++) {
        const [x, y] = rim(400, 300, 90, side, n, 5);
        expect(Math.hypot(x - 400, y - 300)).toBeCloseTo(90);
        expect(Math.sign(x - 400)).toBe(side);
        const curve = vein(10, 20 * n, x, y);
        expect(along(curve, 0)).toEqual([10, 20 * n]);
        expect(along(curve, 1)).toEqual([x, y]);
        expect(path(curve)).not.toMatch(/NaN/);
        // with a level beginning before the bend
        expect(travelled(-200, curve, 0)).toEqual([-200, 20 * n]);
        const [endX, endY] = travelled(-200, curve, 1);
        expect([endX, endY].map(Math.round)).toEqual([x, y].map(Math.round));
        const way = Array.from({ length: 50 }, (_, at) => travelled(-200, curve, at / 49));
        for (const [at, [hereX]] of way.entries()) expect(hereX).toBeGreaterThanOrEqual(way[at - 1]?.[0] ?? -200);
      }
  });

  it("tells the worst of several states", () => {
    expect(worst(["ok", "late", "idle"])).toBe("late");
    expect(worst(["idle", "ok", "none"])).toBe("ok");
    expect(worst(["ok", "failing", "refused"])).toBe("failing");
    expect(worst([])).toBe("none");
  });
});

describe("numbers", () => {
  it("are told in the unit in which they are at least one", () => {
    expect(unitOf(12)).toEqual(["second", 12]);
    expect(unitOf(0.5)).toEqual(["minute", 30]);
    expect(unitOf(1 / 1_800)[0]).toBe("hour");
    expect(unitOf(1 / 86_400)).toEqual(["day", 1]);
    expect([sized(0), sized(999), sized(1_500), sized(2_500_000)]).toEqual([
      [0, "B"],
      [999, "B"],
      [1.5, "kB"],
      [2.5, "MB"],
    ]);
  });

  it("stand on an axis of round numbers and whole hours of the city", () => {
    expect([0, 1, 3, 7, 12, 340, 1_001].map(rounded)).toEqual([1, 1, 5, 10, 20, 500, 2_000]);
    const from = Date.parse("2026-03-24T04:12:00Z");
    const marked = ticks(from, from + 86_400_000, "Asia/Kolkata", 8);
    expect(marked.length).toBeGreaterThan(3);
    for (const at of marked) expect((at + 5.5 * 3_600_000) % 3_600_000).toBe(0);
  });
});

describe("bytes", () => {
  const of = (...values: number[]) => Uint8Array.from(values);

  it("come out as they went in", () => {
    const all = of(...Array.from({ length: 256 }, (_, value) => value));
    expect(bytesOf(Buffer.from(all).toString("base64"))).toEqual(all);
    const shown = hex(all).split("\n");
    expect(shown).toHaveLength(16);
    expect(shown[4]).toBe("000040  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO");
    const back = shown.flatMap((line) =>
      (line.slice(8, 57).match(/[0-9a-f]{2}/g) ?? []).map((two) => parseInt(two, 16)),
    );
    expect(back).toEqual([...all]);
  });

  it("hide nothing as text: control characters and letters that turn the text are seen", () => {
    expect(readable(of(0x7e, 0, 7, 10, 0x7f), "utf-8")).toBe("~␀␇\n␡");
    expect(readable(new TextEncoder().encode("a\u202eb"), "utf-8")).toBe("a⟨U+202E⟩b");
    expect(readable(of(0xc4, 0xcf, 0xcd, 0xa8), "gb18030")).toBe("南通");
  });

  it("are taken for text only when they look like it", () => {
    expect(looksLikeText(new TextEncoder().encode("编号,时间\n1,2"))).toBe(true);
    expect(looksLikeText(of(0x7e, 2, 0, 0, 0x41, 1, 0x7e))).toBe(false);
    expect(recordOf(new TextEncoder().encode('{"a": 1, "b": "x"}'))).toEqual([
      ["a", "1"],
      ["b", "x"],
    ]);
    for (const none of ["[1]", "x", "null", ""]) expect(recordOf(new TextEncoder().encode(none))).toBe(null);
  });
});

describe("the words of the flow", () => {
  const places = (template: string) => [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

  it("are there in both languages, with the same places to fill", () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
    for (const key of Object.keys(zh) as (keyof typeof zh)[]) expect(places(en[key]), key).toEqual(places(zh[key]));
    for (const [key, word] of Object.entries(en)) expect(/\p{Script=Han}/u.test(word), key).toBe(false);
  });

  it("are all used", () => {
    const code = readdirSync("src", { recursive: true, encoding: "utf8" })
      .filter((name) => /\.tsx?$/.test(name) && !/words\.(zh|en)/.test(name))
      .map((name) => readFileSync(join("src", name), "utf8"))
      .join("\n");
    const built = [...code.matchAll(/`([a-z.]+\.)\$\{/g)].map(([, prefix]) => prefix ?? "");
    for (const [, family] of code.matchAll(/\bcode\("([a-z]+)"/g)) built.push(`${family}.`);
    const families = ["kind.", "listener.", "step.", "class.", "type.", "use."];
    const unused = Object.keys(zh).filter(
      (key) => !code.includes(`"${key}"`) && ![...built, ...families].some((prefix) => key.startsWith(prefix)),
    );
    expect(unused).toEqual([]);
  });
});
