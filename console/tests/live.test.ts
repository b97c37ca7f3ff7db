import { describe, expect, it } from "vitest";
import { address, type Place, take, touched } from "../src/api/live";

const event = (seq: number) => ({ seq, type: "task.accepted", stream: "run:1", at: "", actor: null, data: {} });
const clock = (seq: number) => ({ type: "clock", seq, now: "2015-12-07T10:00:00Z", playing: true });

/** Feeds frames in turn; which events were taken, and where the reader stands then. */
function feed(place: Place, frames: unknown[]): { place: Place; seen: number[] } {
  const seen: number[] = [];
  let at = place;
  for (const frame of frames) {
    const taken = take(at, frame);
    at = taken.place;
    if (taken.event) seen.push(taken.event.seq);
  }
  return { place: at, seen };
}

describe("the live channel", () => {
  it("takes every event once and in order", () => {
    const { seen, place } = feed({ last: null }, [event(4), event(5), event(5), event(4), event(6)]);
    expect(seen).toEqual([4, 5, 6]);
    expect(place.last).toBe(6);
  });

  it("resumes after a lost link without a gap or a double, whatever the city repeats", () => {
    const log = Array.from({ length: 40 }, (_, at) => event(at + 1));
    for (let cut = 0; cut <= log.length; cut++) {
      const before = feed({ last: 0 }, log.slice(0, cut));
      const repeated = Math.max(0, cut - 3);
      const after = feed(before.place, log.slice(repeated));
      expect([...before.seen, ...after.seen]).toEqual(log.map(({ seq }) => seq));
      expect(address("http://city", before.place)).toBe(`ws://city/api/live?after=${cut}`);
    }
  });

  it("moves on with the clock over events that were not for it, never back", () => {
    const first = feed({ last: null }, [clock(90)]);
    expect(first.place.last).toBe(90);
    expect(feed(first.place, [clock(80), event(85), event(91)])).toEqual({ place: { last: 91 }, seen: [91] });
  });

  it("begins at the present when it has no place yet, also on https", () => {
    expect(address("https://city", { last: null })).toBe("wss://city/api/live");
  });

  it("passes over what it does not know", () => {
    for (const frame of [null, 7, "x", [], {}, { type: "clock" }, { seq: "1", type: "a" }])
      expect(take({ last: 3 }, frame)).toEqual({ place: { last: 3 }, event: null, clock: null });
  });

  it("knows which answers an event makes old", () => {
    expect(touched("alert.raised")).toContain("alerts");
    expect(touched("task.submitted")).toEqual(expect.arrayContaining(["incident", "tasks", "scores"]));
    expect(touched("delivery.landed")).toEqual(expect.arrayContaining(["sources", "quarantine", "layer"]));
    expect(touched("session.opened")).toEqual([]);
  });
});
