import { describe, expect, it } from "vitest";
import { brief, unitOf, whole } from "../src/detectors/amount";

describe("values of parameters", () => {
  it("have the unit in which their name ends", () => {
    expect(["wind_down_h", "keep_days", "days", "swap_m", "least_minutes", "seen_s", "least_kg"].map(unitOf)).toEqual([
      "unit.h",
      "unit.d",
      "unit.d",
      "unit.m",
      "unit.min",
      "unit.s",
      "unit.kg",
    ]);
    expect(["prior", "gross_share", "t", "m", "constructor", "to_string"].map(unitOf)).toEqual(Array(6).fill(null));
  });

  it("are shown in few digits and changed in all of them", () => {
    expect(brief(1 / 3, "en")).toBe("0.3333");
    expect(whole(1 / 3)).toBe("0.3333333333333333");
    expect([brief(3000, "en"), brief(-1, "zh-CN"), brief([2, 5, 45], "zh-CN")]).toEqual(["3000", "−1", "2、5、45"]);
  });
});
