import { describe, expect, it } from "vitest";
import { sorted } from "../src/declared/DataTable";
import { hrefOf } from "../src/declared/links";
import { sketch } from "../src/declared/MapView";
import { givenOf } from "../src/declared/queries";
import { runs } from "../src/declared/StagesView";
import { drawing, neighbour, stagesOf } from "../src/declared/sankey";
import type { Flow } from "../src/declared/types";
import { en } from "../src/declared/words.en";
import { zh } from "../src/declared/words.zh";

const node = (id: string, stage: string) => ({
  id,
  label: id,
  stage,
  department: null,
  value: null,
  link: null,
  link_id: null,
});
const way = (from: string, to: string, t: number) => ({ from, to, t, error_t: null, source: null, level: null });
const flow: Flow = {
  type: "flow",
  unit: "t",
  stages: [
    { id: "made", title: { en: "Made" } },
    { id: "used", title: { en: "Used" } },
    { id: "empty", title: { en: "Empty" } },
  ],
  nodes: [node("a", "made"), node("b", "used"), node("c", "used"), node("d", "elsewhere")],
  links: [way("a", "b", 30), way("a", "c", 10), way("b", "a", 5)],
  note: null,
};

describe("the words of declared pages", () => {
  it("have the same places to fill, none empty", () => {
    const places = (template: string) => [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    for (const key of Object.keys(zh) as (keyof typeof zh)[]) {
      expect(places(en[key]), key).toEqual(places(zh[key]));
      expect(en[key].trim(), key).not.toBe("");
    }
  });
});

describe("a flow", () => {
  it("has the declared stages that are used, then the others", () => {
    expect(stagesOf(flow)).toEqual(["made", "used", "elsewhere"]);
  });

  it("is drawn in proportion, inside its frame, without boxes on each other", () => {
    const { boxes, bands, height } = drawing(flow, 900);
    const [a, b, c] = ["a", "b", "c"].map((id) => boxes.find(({ node: { id: own } }) => own === id));
    expect([a?.out, a?.in, b?.in]).toEqual([40, 5, 30]);
    expect((a?.height ?? 0) / (b?.height ?? 1)).toBeCloseTo(40 / 30);
    expect(bands).toHaveLength(3);
    expect(Math.max(...boxes.map(({ y, height: tall }) => y + tall))).toBeLessThan(height);
    const [upper, lower] = [b, c].sort((one, other) => (one?.y ?? 0) - (other?.y ?? 0));
    expect((upper?.y ?? 0) + (upper?.height ?? 0)).toBeLessThan(lower?.y ?? 0);
    expect(bands.every(({ path }) => !path.includes("NaN"))).toBe(true);
  });

  it("can be walked with the arrow keys", () => {
    const { boxes } = drawing(flow, 900);
    expect(["b", "c"]).toContain(neighbour(boxes, "a", "ArrowRight"));
    expect(neighbour(boxes, "b", "ArrowLeft")).toBe("a");
    expect(neighbour(boxes, "a", "ArrowUp")).toBe(null);
    expect([neighbour(boxes, "b", "ArrowDown"), neighbour(boxes, "c", "ArrowDown")]).toContain(null);
  });

  it("of nothing is drawn as nothing", () => {
    const { boxes, height } = drawing({ ...flow, nodes: [], links: [] }, 900);
    expect([boxes.length, Number.isFinite(height)]).toEqual([0, true]);
  });
});

describe("a table", () => {
  const plain = (value: unknown) => String(value);
  it("is sorted by figures as figures, by texts as they are read, what is missing last", () => {
    expect(sorted([[10], [9], [null]], { at: 0, down: false }, plain)).toEqual([[9], [10], [null]]);
    expect(sorted([[10], [null], [9]], { at: 0, down: true }, plain)).toEqual([[10], [9], [null]]);
    expect(sorted([["T10"], ["T9"]], { at: 0, down: false }, plain)).toEqual([["T9"], ["T10"]]);
    expect(sorted([[2], [1]], null, plain)).toEqual([[2], [1]]);
  });
});

describe("links", () => {
  const none = () => null;
  it("lead where the application says, and nowhere without an id", () => {
    expect(hrefOf({ to: "alert" }, "alert-1", none)).toBe("/alerts/alert-1");
    expect(hrefOf({ to: "subject", by: "plate" }, "苏F/1", none)).toBe(
      `/app/subject-of/plate=${encodeURIComponent(encodeURIComponent("苏F/1"))}`,
    );
    expect(hrefOf({ to: "page", page: "a.b", set: { cas: "cas" } }, null, () => "1-2 3")).toBe("/app/a.b?cas=1-2+3");
    expect(hrefOf({ to: "page", page: "a.b", set: { cas: "cas" } }, null, none)).toBe(null);
    expect(hrefOf({ to: "task" }, null, none)).toBe(null);
  });

  it("of the address keep what the page knows", () => {
    expect(givenOf("?tab=x&station=&days=7")).toEqual({ days: "7" });
  });
});

describe("stages", () => {
  it("are stretches of where a system is and is not", () => {
    expect(runs(["a", "b", "c", "d"], ["a", "c", "d"])).toEqual([
      { from: 0, length: 1, system: true },
      { from: 1, length: 1, system: false },
      { from: 2, length: 2, system: true },
    ]);
  });
});

describe("a sketch", () => {
  it("keeps every place in its frame and north above", () => {
    const { x, y, lines, metres } = sketch(
      [
        [120.9, 31.9],
        [121.2, 32.4],
      ],
      800,
      400,
    );
    for (const [lon, lat] of [
      [120.9, 31.9],
      [121.2, 32.4],
    ] as const) {
      expect(x(lon)).toBeGreaterThan(0);
      expect(x(lon)).toBeLessThan(800);
      expect(y(lat)).toBeGreaterThan(0);
      expect(y(lat)).toBeLessThan(400);
    }
    expect(y(32.4)).toBeLessThan(y(31.9));
    expect([lines.length > 1, metres > 0]).toEqual([true, true]);
  });

  it("of one place is a place in the middle", () => {
    const { x, y } = sketch([[121, 32]], 800, 400);
    expect([x(121), y(32)]).toEqual([400, 200]);
  });
});
