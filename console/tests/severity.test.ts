import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Level } from "../src/api/types";
import { ink, severityName, severityShape, triage } from "../src/ui/severity";

const LEVELS: Level[] = [1, 2, 3, 4];

const luminance = (colour: string) => {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one: string, other: string) => {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

describe("severity", () => {
  it("differs in word and in shape at every level", () => {
    expect(LEVELS.map(severityName)).toEqual(["red", "orange", "yellow", "blue"]);
    expect(LEVELS.map(severityShape)).toEqual(["octagon", "diamond", "triangle", "circle"]);
    expect(severityShape(null)).toBe("ring");
  });

  it("reads at 4.5 : 1 or better on both surfaces of both themes", () => {
    const css = readFileSync("src/ui/style.css", "utf8");
    for (const scheme of ["light", "dark"]) {
      const block = css.split(`[data-mantine-color-scheme="${scheme}"] {`)[1]?.split("}")[0] ?? "";
      const colour = (name: string) => block.match(new RegExp(`--${name}: (#[0-9a-f]{6})`))?.[1] ?? "";
      for (const name of ["red", "orange", "yellow", "blue", "none", "late", "good", "accent", "muted", "ink"])
        for (const surface of ["surface", "raised", "ground"])
          expect(contrast(colour(name), colour(surface)), `${scheme} ${name} on ${surface}`).toBeGreaterThanOrEqual(
            4.5,
          );
    }
  });

  it("writes on any colour with the ink that reads better", () => {
    for (const colour of ["#00e400", "#ffff00", "#ff7e00", "#ff0000", "#99004c", "#7e0023", "#8b98a8"]) {
      const other = ink(colour) === "#000000" ? "#ffffff" : "#000000";
      expect(contrast(ink(colour), colour), colour).toBeGreaterThanOrEqual(contrast(other, colour));
    }
  });
});

describe("the queue", () => {
  it("has the unacknowledged first, then the graver, then the newer", () => {
    const of = (id: string, state: string, level: Level | null, updated_at: string) => ({
      id,
      state,
      level,
      updated_at,
    });
    const sorted = triage([
      of("old red", "acknowledged", 1, "2015-12-01"),
      of("over", "ended", 1, "2015-12-09"),
      of("blue", "raised", 4, "2015-12-08"),
      of("early red", "raised", 1, "2015-12-05"),
      of("late red", "raised", 1, "2015-12-06"),
      of("new red", "acknowledged", 1, "2015-12-02"),
    ]);
    expect(sorted.map(({ id }) => id)).toEqual(["late red", "early red", "blue", "new red", "old red", "over"]);
  });
});
