import { describe, expect, it } from "vitest";
import type { Layer, Task } from "../src/api/types";
import { CommandIds } from "../src/api/useCommand";
import { bandOf } from "../src/map/bands";
import { finished, lateness, running, stages } from "../src/ui/deadlines";

const HOUR = 3_600_000;
const START = Date.parse("2015-12-07T00:00:00Z");
const at = (hours: number) => new Date(START + hours * HOUR).toISOString();

function task(given: Partial<Task>): Task {
  return {
    id: "task",
    run_id: "run",
    incident_id: "incident",
    step: "a",
    round: 1,
    title: {},
    unit: "ecology",
    unit_title: {},
    person: null,
    state: "dispatched",
    planned_at: at(0),
    dispatched_at: at(0),
    accepted_at: null,
    submitted_at: null,
    closed_at: null,
    accept_due: at(1),
    due: at(4),
    late: false,
    after: [],
    evidence: [],
    verify_by: null,
    escalations: [],
    receipts: [],
    custody: [],
    actions: [],
    ...given,
  };
}

describe("the clock of a task", () => {
  it("runs to acceptance, then to the due time, then no more", () => {
    const now = START + 0.5 * HOUR;
    expect(running(task({}), now)).toEqual({ kind: "accept", at: START + HOUR, left: 0.5 * HOUR });
    expect(running(task({ state: "accepted" }), now)?.kind).toBe("due");
    for (const state of ["scheduled", "submitted", "returned", "suspended", "closed", "cancelled"] as const)
      expect(running(task({ state }), now), state).toBeNull();
  });

  it("runs out by the city's time, and the city's word holds afterwards", () => {
    expect(lateness(task({}), START + 0.5 * HOUR)).toBeNull();
    expect(lateness(task({}), START + 3 * HOUR)).toBe(2 * HOUR);
    const closed = task({ state: "closed", submitted_at: at(6), closed_at: at(9), late: true });
    expect(lateness(closed, START + 99 * HOUR)).toBe(2 * HOUR);
    expect(lateness(task({ state: "closed", closed_at: at(9) }), START + 99 * HOUR)).toBeNull();
  });

  it("stops for a round that another has taken the place of", () => {
    expect(finished(task({ state: "returned", closed_at: at(2) }))).toBe(true);
    expect(finished(task({ state: "returned" }))).toBe(false);
  });
});

describe("the stages of a plan", () => {
  it("put what may run side by side together and rounds under one another", () => {
    const found = stages([
      task({ id: "c", step: "c", after: ["a", "b"] }),
      task({ id: "a2", step: "a", round: 2 }),
      task({ id: "a1", step: "a", round: 1 }),
      task({ id: "b", step: "b" }),
      task({ id: "d", step: "d", after: ["c"] }),
    ]);
    expect(found.map((stage) => stage.map(({ id }) => id))).toEqual([["a1", "a2", "b"], ["c"], ["d"]]);
  });

  it("end on a loop and on predecessors that are not there", () => {
    const found = stages([task({ step: "a", after: ["b"] }), task({ step: "b", after: ["a", "gone"] })]);
    expect(found.flat()).toHaveLength(2);
  });
});

describe("command ids", () => {
  const accept = { path: "/api/tasks/1/accept" };

  it("stay for the same intent until it is done", () => {
    const ids = new CommandIds();
    const first = ids.of(accept);
    expect(ids.of({ ...accept })).toBe(first);
    expect(ids.of({ path: accept.path, body: { note: "x" } })).not.toBe(first);
    const second = ids.of(accept);
    ids.done();
    expect(ids.of(accept)).not.toBe(second);
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("are one for a whole sheet", () => {
    const ids = new CommandIds("sheet");
    expect([ids.of(accept), ids.of({ path: "/other" })]).toEqual(["sheet", "sheet"]);
  });
});

describe("bands of a layer", () => {
  const layer = {
    bands: [
      { from: 0, to: 50, label: { en: "good" }, colour: "#00e400" },
      { from: 51, to: 100, label: { en: "fair" }, colour: "#ffff00" },
      { from: 301, to: null, label: { en: "worst" }, colour: "#7e0023" },
    ],
  } as unknown as Layer;
  const label = (value: number | null) => bandOf(layer, value)?.label.en;

  it("hold their value, also in the gaps of a whole-number scale", () => {
    expect([0, 49.9, 50.5, 51, 999].map(label)).toEqual(["good", "good", "good", "fair", "worst"]);
    expect([null, -1].map(label)).toEqual([undefined, undefined]);
  });
});
