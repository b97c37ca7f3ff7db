import { describe, expect, it } from "vitest";
import { askedNames } from "../src/plans/asked";
import { parse, rowsOf, written } from "../src/plans/condition";
import { cellWords } from "../src/plans/DecisionView";
import { joined, split } from "../src/plans/duration";
import { marksOf } from "../src/plans/RunDrawing";
import { changedText, flatOf, textOf } from "../src/plans/TableEditor";
import type { DecisionBody, StepProgress } from "../src/plans/types";
import { nextVersion, renumbered } from "../src/plans/version";
import { en } from "../src/plans/words.en";
import { zh } from "../src/plans/words.zh";

describe("lengths of time", () => {
  it.each([
    ["PT30M", { amount: 30, unit: "minutes" }],
    ["PT90M", { amount: 90, unit: "minutes" }],
    ["PT3H", { amount: 3, unit: "hours" }],
    ["PT48H", { amount: 2, unit: "days" }],
    ["P1DT12H", { amount: 36, unit: "hours" }],
  ] as const)("%s in its largest whole unit", (iso, length) => {
    expect(split(iso)).toEqual(length);
  });

  it("are none where there is no whole minute, and none where there is none", () => {
    for (const iso of ["PT0S", "PT45S", "", null, "three hours", "P1M"]) expect(split(iso)).toBeNull();
  });

  it("are written so that they read back the same", () => {
    for (const unit of ["minutes", "hours", "days"] as const)
      for (const amount of [1, 7, 23]) expect(split(joined({ amount, unit }))).toEqual({ amount, unit });
  });
});

describe("conditions", () => {
  it.each([
    ["level <= 2 and schools_open", "level <= 2 and schools_open"],
    ["not flooded and gates >= 4", "not flooded and gates >= 4"],
    ["2 >= level", "level <= 2"],
    ["kind in ['flood', 'fire']", "kind in ['flood', 'fire']"],
    ["(level == 1 and kind == 'flood') and open == true", "level == 1 and kind == 'flood' and open"],
  ])("%s as choices and back", (source, again) => {
    expect(written(rowsOf(source) ?? [])).toBe(again);
  });

  it("that are richer than choices are left as they are written", () => {
    for (const source of ["level == 1 or schools_open", "not (level == 1 and open)", "a < b", "level <"])
      expect(rowsOf(source)).toBeNull();
    expect(parse("level == 1 or schools_open")).not.toBeNull();
    expect(parse("level <")).toBeNull();
    expect(parse("import os")).toBeNull();
  });
});

const TABLE = `# who leads
decision: who-leads
version: "1"
title: { zh-CN: "谁牵头", en: "Who leads" }
hit: F
inputs:
  - { name: level, type: number } # the alert's
outputs:
  - { name: unit, type: string }
rules:
  - { when: { level: 1 }, then: [emergency-office] }
  - { then: ecology }
`;

describe("tables", () => {
  it("are read however their rules are written", () => {
    const flat = flatOf(TABLE)?.flat;
    expect(flat?.rules.map(({ asks, gives }) => [asks, gives])).toEqual([
      [[1], ["emergency-office"]],
      [["-"], ["ecology"]],
    ]);
  });

  it("keep the remarks of what is not changed", () => {
    const read = flatOf(TABLE);
    const text = read === null ? "" : changedText(read.document, { hit: "U" });
    expect(text).toContain("# who leads");
    expect(text).toContain("# the alert's");
    expect(flatOf(text)?.flat.hit).toBe("U");
  });

  it("that are more than one, of another tool, or no YAML, are for the text", () => {
    for (const source of ["<definitions/>", "tables: []\ndecision: x", "a: [", "- 1"])
      expect(flatOf(source)).toBeNull();
  });

  it("that are published begin a new version as they were", () => {
    const body: DecisionBody = {
      digest: "d",
      name: "who-leads",
      version: "2",
      title: { "zh-CN": "谁牵头", en: "Who leads" },
      inputs: [
        { id: "i1", name: "level", type: { base: "number", values: "1, 2" } },
        { id: "i2", name: "kind", type: "string" },
      ],
      outputs: [],
      tables: [
        {
          id: "t",
          name: "who-leads",
          hit: "U",
          inputs: [
            { id: "c1", expression: "level", label: "级别" },
            { id: "c2", expression: "kind" },
          ],
          outputs: [{ id: "o1", name: "unit", type: "string" }],
          // biome-ignore lint/suspicious/noThenProperty: what follows from a rule, as the city writes it
          rules: [{ id: "r1", when: ["[1..2]", '"flood", "fire"'], then: ['"water"'], note: "why" }],
        },
      ],
    };
    const flat = flatOf(textOf(body) ?? "")?.flat;
    expect(flat?.rules[0]).toEqual({ id: "r1", asks: ["[1..2]", "flood, fire"], gives: ["water"], note: "why" });
    expect(flat?.inputs[0]).toEqual({ name: "level", type: "number", values: "1, 2", label: "级别" });
    expect(textOf({ ...body, tables: [...body.tables, ...body.tables] })).toBeNull();
  });

  it("say their cells in words, and show what is not simple as it is", () => {
    const say = (key: string, values: Record<string, string> = {}) => `${key}(${Object.values(values).join()})`;
    expect(cellWords("-", say)).toBe("cell.any()");
    expect(cellWords("[1..5)", say)).toBe("cell.betweenRight(1,5)");
    expect(cellWords('"flood","fire"', say)).toBe("floodcell.or()fire");
    expect(cellWords("> 3 * x", say)).toBe("> 3 * x");
  });
});

describe("a new version", () => {
  it("takes the next number that is free", () => {
    expect(nextVersion("2015.1", ["2015.1"])).toBe("2015.2");
    expect(nextVersion("2015.1", ["2015.1", "2015.2"])).toBe("2015.3");
    expect(nextVersion("draft", [])).toBe("draft.2");
  });

  it("changes nothing else in a drawing", () => {
    const xml = '<bpmn:process id="p" ch:version="1"><bpmn:callActivity ch:version="1"/></bpmn:process>';
    expect(renumbered(xml, "2")).toBe(
      '<bpmn:process id="p" ch:version="2"><bpmn:callActivity ch:version="1"/></bpmn:process>',
    );
  });
});

it("a step done for each of a list shows the most pressing of them", () => {
  const step = (id: string, state: StepProgress["state"], late = false): StepProgress => ({
    id,
    of: "gates",
    task_id: id,
    state,
    late,
  });
  const tone = (...steps: StepProgress[]) => marksOf(steps, (state) => state).get("gates")?.tone;
  expect(tone(step("a", "closed"), step("b", "accepted"))).toBe("open");
  expect(tone(step("a", "accepted", true), step("b", "closed"))).toBe("late");
  expect(tone(step("a", "closed", true), step("b", "left_out"))).toBe("done");
});

it("both languages of the plan pages have the same places to fill", () => {
  const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
  for (const key of Object.keys(zh) as (keyof typeof zh)[])
    expect([key, places(en[key])]).toEqual([key, places(zh[key])]);
});

describe("names in conditions", () => {
  const steps = [
    {
      sets: { producing: "is_on", other: "gone" },
      evidence: [
        { kind: "photo" as const },
        {
          kind: "form" as const,
          schema: { properties: { is_on: { title: { "zh-CN": "是否在生产", en: "Is it producing?" } } } },
        },
      ],
    },
  ];

  it("are the questions that set them, and what is asked at the start", () => {
    const say = (text: unknown) => (typeof text === "string" ? text : ((text as Record<string, string>).en ?? ""));
    const names = askedNames(steps as never, say, { grid_unit: { "zh-CN": "值守单位", en: "Who keeps watch" } });
    expect([...names]).toEqual([
      ["grid_unit", "Who keeps watch"],
      ["producing", "Is it producing"],
    ]);
  });
});
