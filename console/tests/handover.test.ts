import { describe, expect, it } from "vitest";
import { CommandIds } from "../src/api/useCommand";
import type { AdvisedPlan } from "../src/knowledge/types";
import { latestEnds } from "../src/ui/DispatchSheet";
import { askedBy, stepsWith, toSend, unitsOf } from "../src/ui/PlanParameters";

const step = (id: string, unit: string, more: object = {}) => ({
  id,
  title: { "zh-CN": id, en: id },
  unit,
  unit_title: { "zh-CN": unit, en: unit },
  after: [],
  delay: null,
  accept_within: null,
  due: "PT1H",
  evidence: [],
  verify_by: null,
  ...more,
});

const plan = {
  digest: "d",
  titles: { wind: { "zh-CN": "风力（级）", en: "Wind force" } },
  parameters: { grid_unit: "political-legal", site_id: "", wind: 3, open: false, towns: ["east"], words: ["a"] },
  steps: [
    step("look", "$grid_unit"),
    step("tell", "$town", { each: { as: "town", in: "towns" }, after: ["look"], delay: "PT30M" }),
    step("end", "fire", { after: ["tell"], when: "wind > 4" }),
  ],
} as unknown as AdvisedPlan;

const alert = {
  id: "alert-1",
  subject: { kind: "site", id: "S-7", name: { "zh-CN": "七号罐区", en: "Site 7" } },
  area: null,
} as never;

describe("what a plan asks", () => {
  const asked = askedBy(plan, alert);

  it("is called what the plan calls it, else by its name", () => {
    expect(asked.map(({ name, title }) => [name, title?.en ?? null])).toEqual([
      ["grid_unit", null],
      ["site_id", null],
      ["wind", "Wind force"],
      ["open", null],
      ["towns", null],
      ["words", null],
    ]);
  });

  it("is typed by what the plan declares and where it stands", () => {
    expect(asked.map(({ name, kind }) => [name, kind])).toEqual([
      ["grid_unit", "department"],
      ["site_id", "text"],
      ["wind", "number"],
      ["open", "truth"],
      ["towns", "departments"],
      ["words", "list"],
    ]);
    expect(asked.find(({ name }) => name === "wind")?.steps.map(({ id }) => id)).toEqual(["end"]);
  });

  it("is filled from the alert, and only what differs from the plan is sent", () => {
    expect(toSend(asked, {})).toEqual({ site_id: "S-7" });
    expect(toSend(askedBy(plan), {})).toEqual({});
    expect(toSend(asked, { site_id: "", grid_unit: "political-legal", words: ["a", "", "b "] })).toEqual({
      words: ["a", "b "],
    });
    expect(toSend(asked, { open: false, wind: 0 })).toEqual({ site_id: "S-7", wind: 0 });
  });

  it("names the departments of the steps", () => {
    const title = (code: string) => ({ "zh-CN": `${code}局`, en: code });
    const steps = stepsWith(plan.steps, asked, { grid_unit: "baipu", towns: ["east", "west"] }, title);
    expect(steps.map(({ unit_title }) => unit_title.en)).toEqual(["baipu", "east, west", "fire"]);
    expect([...unitsOf(steps)]).toEqual(["baipu", "east", "west", "fire"]);
  });
});

describe("when a step is due at the latest", () => {
  it("counts everything before it", () => {
    expect([...latestEnds(plan.steps)]).toEqual([
      ["look", 3600],
      ["tell", 9000],
      ["end", 12600],
    ]);
  });

  it("ends where steps wait for one another or for nobody known", () => {
    const round = [step("a", "x", { after: ["b"] }), step("b", "x", { after: ["a", "gone"] })];
    expect(latestEnds(round as never).get("b")).toBeGreaterThan(0);
  });
});

describe("the id of a command", () => {
  const shelf = () => {
    let kept: { key: string; id: string } | null = null;
    return {
      take: () => kept,
      put: (next: typeof kept) => {
        kept = next;
      },
    };
  };

  it("is the same after a reload while nobody has answered, and another for other words", () => {
    const place = shelf();
    const first = new CommandIds(null, place).of({ path: "/p", body: { words: "x" } });
    const after = new CommandIds(null, place);
    expect(after.of({ path: "/p", body: { words: "x" } })).toBe(first);
    expect(after.of({ path: "/p", body: { words: "y" } })).not.toBe(first);
    after.done();
    expect(place.take()).toBeNull();
  });
});
