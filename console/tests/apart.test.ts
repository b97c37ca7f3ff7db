import { describe, expect, it } from "vitest";
import { type CarriedOut, stepsApart } from "../src/knowledge/apart";

const step = (id: string, more: Partial<CarriedOut> = {}): CarriedOut => ({
  step: id,
  unit: "ecology",
  title: null,
  due: 3600,
  took: 1800,
  late: false,
  rework: 0,
  returned: 0,
  ...more,
});

describe("two versions of what was done", () => {
  it("differ in steps that came, went and changed; a step that is done twice is two", () => {
    const before = [step("sweep"), step("look"), step("visit"), step("visit", { took: 60 })];
    const after = [step("sweep", { took: 7200, late: true }), step("visit"), step("visit", { took: 90 }), step("tell")];
    const { added, removed, changed } = stepsApart(before, after);
    expect(added.map((one) => one.step)).toEqual(["tell"]);
    expect(removed.map((one) => one.step)).toEqual(["look"]);
    expect(changed.map((one) => [one.after.step, one.field, one.before[one.field], one.after[one.field]])).toEqual([
      ["sweep", "took", 1800, 7200],
      ["sweep", "late", false, true],
      ["visit", "took", 60, 90],
    ]);
  });

  it("are the same when only their order is another", () => {
    expect(stepsApart([step("a"), step("b")], [step("b"), step("a")])).toEqual({ added: [], removed: [], changed: [] });
  });
});
