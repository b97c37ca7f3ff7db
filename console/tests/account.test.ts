import { describe, expect, it } from "vitest";
import { draftOf, formulaOf, missing } from "../src/account/draft";
import { placed, pointsOf, scoreOf } from "../src/account/formula";
import { bounds, moved, nextMonth, periodOf } from "../src/account/period";
import { type Formula, RATES, type Share, SUPPLY_RATES, type Term } from "../src/account/types";
import { en } from "../src/account/words.en";
import { zh } from "../src/account/words.zh";

const share = (num: number, den: number): Share => ({ num, den, rate: den === 0 ? null : num / den });
const term = (rate: string, weight: number, given: Partial<Term> = {}): Term => ({
  rate,
  weight,
  less_is_better: false,
  deductions: [],
  ...given,
});

describe("a period", () => {
  const today = "2015-12-11";
  const of = (query: string) => periodOf(new URLSearchParams(query), today);

  it("is the last 30 days, today among them, where the address says nothing that can be read", () => {
    for (const query of ["", "period=x", "period=2015-13", "from=2015-02-30"])
      expect(of(query)).toEqual({ choice: "30d", from: "2015-11-12", through: null });
    expect(of("period=7d").from).toBe("2015-12-05");
  });

  it("is a month up to its last day, and the present month up to now", () => {
    expect(of("period=2015-11")).toEqual({ choice: "month", from: "2015-11-01", through: "2015-11-30" });
    expect(of("period=2016-02").through).toBeNull();
    expect(of("period=2015-12").through).toBeNull();
    expect(nextMonth("2015-12")).toBe("2016-01");
    expect(nextMonth("2016-01")).toBe("2016-02");
  });

  it("takes the last day in, and never reaches into the future", () => {
    const own = of("period=own&from=2015-11-01&to=2015-11-02");
    expect(bounds(own, "Asia/Shanghai")).toEqual({ from: "2015-10-31T16:00:00.000Z", to: "2015-11-02T16:00:00.000Z" });
    expect(of("period=own&from=2015-11-01&to=2015-12-11").through).toBeNull();
    expect(of("from=2015-11-01").choice).toBe("own");
    expect(bounds(of("period=all"), "Asia/Shanghai")).toEqual({ from: null, to: null });
    expect(moved("2016-02-28", 1)).toBe("2016-02-29");
  });
});

describe("a formula tried out", () => {
  it("weighs shares, turns those where less is better, and scales what can be counted up", () => {
    const terms = [term("on_time", 60), term("overdue", 20, { less_is_better: true }), term("satisfied", 20)];
    const rates = { on_time: share(9, 10), overdue: share(1, 10), satisfied: share(0, 0) };
    expect(pointsOf(terms[2] as Term, rates)).toBeNull();
    expect(scoreOf(terms, rates)).toBe(90);
    expect(scoreOf(terms, { ...rates, satisfied: share(1, 2) })).toBe(82);
    expect(scoreOf([term("satisfied", 20)], rates)).toBeNull();
  });

  it("takes points for each task, or for what lies beyond a bound, and never more than there are", () => {
    const perTask = term("rework", 5, { deductions: [{ rate: "rework", points: 0.2, bound: null }] });
    expect(pointsOf(perTask, { rework: share(3, 20) })).toBeCloseTo(4.4);
    expect(pointsOf(perTask, { rework: share(300, 400) })).toBe(0);
    const below = term("concluded", 20, { deductions: [{ rate: "concluded", points: 1, bound: 0.9 }] });
    expect(pointsOf(below, { concluded: share(80, 100) })).toBeCloseTo(10);
    expect(pointsOf(below, { concluded: share(95, 100) })).toBe(20);
    const above = term("overdue", 10, { deductions: [{ rate: "overdue", points: 1, bound: 0.05 }] });
    expect(pointsOf(above, { overdue: share(7, 100) })).toBeCloseTo(8);
  });

  it("gives no place to few tasks and the same place to equal scores", () => {
    const row = (department: string, n: number, num: number) => ({
      department,
      n,
      on_time_fair: 0.5,
      rates: { on_time: share(num, n) },
    });
    const found = placed(
      [row("a", 10, 5), row("b", 4, 4), row("c", 20, 10), row("d", 10, 4), row("e", 0, 0)],
      [term("on_time", 100)],
    );
    expect(found.map(({ row, rank }) => [row.department, rank])).toEqual([
      ["b", null],
      ["a", 1],
      ["c", 1],
      ["d", 3],
      ["e", null],
    ]);
  });
});

describe("a version that is being written", () => {
  const like: Formula = {
    id: "own",
    version: "1",
    valid_from: "2010-01-01",
    title: { "zh-CN": "规则", en: "Rules" },
    source: { "zh-CN": "依据", en: "Source" },
    of: "handling",
    adopted: true,
    out_of: 25,
    appeal_within: "P5D",
    published_at: null,
    terms: [
      term("overdue", 20, { less_is_better: true }),
      term("concluded", 5, { deductions: [{ rate: "concluded", points: 1, bound: 0.07 }] }),
    ],
  };

  it("begins where the other ended, with the next free version", () => {
    const draft = draftOf(like, [like, { id: "own", version: "2" }, { id: "other", version: "3" }], "2015-12-12");
    expect(draft.version).toBe("3");
    expect(draft.terms[1]?.deductions?.[0]?.bound).toBe("7");
    expect(missing(draft, "2015-12-11")).toEqual([]);
    const made = formulaOf(draft);
    expect(made.terms).toEqual(like.terms);
    expect([made.appeal_within, made.valid_from]).toEqual(["P5D", "2015-12-12"]);
  });

  it("says what is missing", () => {
    const draft = draftOf(like, [], "2015-12-11");
    expect(missing({ ...draft, id: " ", version: "", days: "0", sourceEn: "" }, "2015-12-11")).toEqual([
      "id",
      "version",
      "date",
      "days",
      "words",
    ]);
    const weightless = draft.terms.map((one) => ({ ...one, weight: "" }));
    expect(missing({ ...draft, validFrom: "2016-01-01", terms: weightless }, "2015-12-11")).toEqual(["terms"]);
    expect(missing({ ...draft, validFrom: "2016-01-01", terms: [] }, "2015-12-11")).toEqual(["terms"]);
  });
});

describe("the words of accountability", () => {
  const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

  it("are there in both languages with the same places to fill", () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
    for (const [key, text] of Object.entries(zh)) {
      expect([key, places(en[key as keyof typeof zh])]).toEqual([key, places(text)]);
      expect(en[key as keyof typeof zh].trim()).not.toBe("");
    }
  });

  it("name and explain every share", () => {
    for (const rate of [...RATES, ...SUPPLY_RATES, "dispatch_accuracy"])
      for (const what of ["rate", "what"]) expect(Object.keys(zh)).toContain(`${what}.${rate}`);
  });
});
