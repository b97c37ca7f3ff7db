import { describe, expect, it } from "vitest";
import { Problem } from "../src/api/client";
import type { City, Task } from "../src/api/types";
import { anchored, cityNow, stamp } from "../src/field/clock";
import { fieldsOf, filled, formAsked, mistakes } from "../src/field/form";
import { outdated, type Played, projected, settled } from "../src/field/queue";
import { Sync, type Wire, waitingIn } from "../src/field/sync";
import { type Box, type Change, EMPTY_META, type Kept, type Waiting } from "../src/field/types";
import { en } from "../src/field/words.en";
import { zh } from "../src/field/words.zh";

const NOW = Date.parse("2026-11-22T06:00:00Z");

function task(given: Partial<Task> = {}): Task {
  return {
    id: "t1",
    run_id: "run",
    incident_id: "incident",
    step: "look",
    round: 1,
    title: { en: "Look" },
    unit: "ecology",
    unit_title: {},
    person: null,
    state: "dispatched",
    planned_at: null,
    dispatched_at: null,
    accepted_at: null,
    submitted_at: null,
    closed_at: null,
    accept_due: null,
    due: null,
    late: false,
    after: [],
    evidence: [],
    verify_by: null,
    escalations: [],
    receipts: [],
    custody: [],
    actions: ["accept", "return", "request_extension"],
    ...given,
  };
}

function act(given: Partial<Waiting> = {}): Waiting {
  return {
    id: "a1",
    order: 1,
    task: "t1",
    title: {},
    verb: "accept",
    body: {},
    at: "2026-11-22T06:00:00Z",
    photos: [],
    refusal: null,
    ...given,
  };
}

const city = (clock: Partial<City["clock"]> = {}, now = "2026-11-22T06:05:00Z") =>
  ({
    now,
    zone: "Asia/Shanghai",
    title: {},
    clock: { kind: "system", speed: null, playing: true, from: null, to: null, ...clock },
  }) as unknown as City;

/** A phone's store in memory that forgets nothing but what it was told to. */
class Memory implements Box {
  kept: Kept = { tasks: new Map(), acts: new Map(), drafts: new Map(), meta: { ...EMPTY_META } };
  photos = new Map<string, Blob>();
  read = async (): Promise<Kept> => ({
    tasks: new Map(this.kept.tasks),
    acts: new Map(this.kept.acts),
    drafts: new Map(this.kept.drafts),
    meta: { ...this.kept.meta },
  });
  photo = async (key: string) => this.photos.get(key) ?? null;
  async write(change: Change) {
    for (const one of change.tasks?.put ?? []) this.kept.tasks.set(one.id, one);
    for (const id of change.tasks?.drop ?? []) this.kept.tasks.delete(id);
    for (const one of change.acts?.put ?? []) this.kept.acts.set(one.id, one);
    for (const id of change.acts?.drop ?? []) this.kept.acts.delete(id);
    for (const one of change.drafts?.put ?? []) this.kept.drafts.set(one.task, one);
    for (const id of change.drafts?.drop ?? []) this.kept.drafts.delete(id);
    for (const { key, blob } of change.photos?.put ?? []) this.photos.set(key, blob);
    for (const key of change.photos?.drop ?? []) this.photos.delete(key);
    Object.assign(this.kept.meta, change.meta);
  }
  close() {}
}

/** A city that takes each command once, and a network that can be cut, also after the city has heard. */
class Fake implements Wire {
  heard: string[] = [];
  taken = new Map<string, Played>();
  files: string[] = [];
  cut: "no" | "before" | "after" = "no";
  person = "li";
  refuse: Record<string, number> = {};
  who = async () => {
    if (this.cut === "before") throw new Problem(0, "network", "");
    return { id: this.person } as never;
  };
  city = async () => city();
  file = async (_: string, name: string) => {
    this.files.push(name);
    return { sha256: name, name, bytes: 1 };
  };
  play = async (acts: Record<string, unknown>[]) => {
    const answers = acts.map((each): Played => {
      const id = String(each.command_id);
      this.heard.push(String(each.verb));
      const status = this.refuse[String(each.verb)];
      const answer = this.taken.get(id) ?? {
        command_id: id,
        ok: status === undefined,
        problem: status === undefined ? undefined : { status, detail: "no" },
      };
      this.taken.set(id, answer);
      return answer;
    });
    if (this.cut === "after") throw new Problem(0, "network", "");
    return answers;
  };
  changes = async (after: number | null) => ({ items: after === null ? [task()] : [], next: 7, more: false });
  open = async () => ({ items: [], total: 0, next: null });
  task = async () => task({ state: "submitted" });
  clauses = async () => [];
}

async function phone(wire: Fake, box = new Memory()) {
  return { box, sync: new Sync({ id: "li" } as never, box, await box.read(), wire, () => NOW) };
}

describe("a phone's queue", () => {
  it("is in the store before anything is sent, survives the page, and arrives once in its order", async () => {
    const wire = new Fake();
    wire.cut = "before";
    const { box, sync } = await phone(wire);
    await sync.press(task(), "accept", {});
    await Promise.all([sync.press(task(), "submit", { note: "done" }), sync.press(task(), "submit", { note: "done" })]);
    await sync.run();
    expect([...box.kept.acts.values()].map(({ verb }) => verb)).toEqual(["accept", "submit"]);
    expect(sync.get().link).toBe("offline");
    expect(box.kept.meta.offlineSince).toBe(NOW);

    wire.cut = "after"; // the city hears, the phone does not hear the answer
    const again = (await phone(wire, box)).sync;
    await again.run();
    expect(waitingIn(again.get().kept)).toBe(2);
    wire.cut = "no";
    await again.run();
    expect(waitingIn(again.get().kept)).toBe(0);
    expect(wire.taken.size).toBe(2);
    expect(wire.heard).toEqual(["accept", "submit", "accept", "submit"]);
    expect(box.kept.meta).toMatchObject({ cursor: 7, offlineSince: null });
  });

  it("sends photos before their receipt, and again only those that did not arrive", async () => {
    const wire = new Fake();
    const { box, sync } = await phone(wire);
    const photos = ["one", "two"].map((key) => ({ key, name: key, bytes: 1, sent: false }));
    for (const { key } of photos) box.photos.set(key, new Blob([key]));
    const file = wire.file;
    wire.file = async (id, name) => {
      if (name === "two" && wire.files.length === 1) {
        wire.files.push("lost");
        throw new Problem(0, "network", "");
      }
      return file(id, name);
    };
    await sync.press(task(), "submit", { note: "x" }, photos);
    await sync.run();
    expect(wire.heard).toEqual([]);
    await sync.run();
    expect(wire.files).toEqual(["one", "lost", "two"]);
    expect(wire.heard).toEqual(["submit"]);
    expect(box.photos.size).toBe(0);
  });

  it("keeps what was refused for the person, and what the city is too busy for to send later", async () => {
    const wire = new Fake();
    wire.refuse = { accept: 409, submit: 503 };
    const { sync } = await phone(wire);
    await sync.press(task(), "accept", {});
    await sync.press(task(), "submit", {});
    await sync.run(); // the one that the first press began
    await sync.run();
    const acts = [...sync.get().kept.acts.values()];
    expect(acts.map(({ verb, refusal }) => [verb, refusal?.status ?? null])).toEqual([
      ["accept", 409],
      ["submit", null],
    ]);
    expect(sync.get().link).toBe("offline");
    await sync.drop(acts[0] as Waiting);
    expect(sync.get().kept.acts.size).toBe(1);
  });

  it("never looks as it did before, once the city has taken it", async () => {
    const wire = new Fake();
    const { sync } = await phone(wire);
    await sync.run();
    const states: string[] = [];
    sync.subscribe(() => {
      const { tasks, acts } = sync.get().kept;
      for (const one of tasks.values()) states.push(projected(one, acts.values()).state);
    });
    await sync.press(task(), "accept", {});
    await sync.run();
    expect(sync.get().kept.acts.size).toBe(0);
    expect(new Set(states.slice(states.indexOf("accepted")))).toEqual(new Set(["accepted"]));
  });

  it("is never sent in the name of somebody else", async () => {
    const wire = new Fake();
    wire.person = "wu";
    const { sync } = await phone(wire);
    await sync.press(task(), "accept", {});
    await sync.run();
    expect([sync.get().link, wire.heard]).toEqual(["stranger", []]);
  });

  it("shows a task as it will be", () => {
    const shown = projected(task(), [act(), act({ id: "a2", order: 2, verb: "submit" })]);
    expect([shown.state, shown.actions]).toEqual(["submitted", []]);
    expect(projected(task(), [act()]).actions).toEqual(["return", "request_extension", "submit"]);
    const refusal = { status: 409, code: "", detail: "", remedy: null, more: {} };
    expect(projected(task(), [act({ refusal })]).state).toBe("dispatched");
  });

  it("takes an act without an answer as not sent, and forgets old tasks that nothing holds", () => {
    expect(settled([act()], []).later).toHaveLength(1);
    const old = task({ closed_at: "2026-11-20T00:00:00Z" });
    expect(outdated([old, task({ id: "t2" })], [], new Set(), NOW)).toEqual(["t1"]);
    expect(outdated([old], [act()], new Set(), NOW)).toEqual([]);
  });
});

describe("the phone's clock", () => {
  it("is told to a real city as it is, and stands for the city's in a simulated one", () => {
    const real = anchored(city(), NOW, NOW);
    expect(cityNow(real, NOW + 1000)).toBe(Date.parse("2026-11-22T06:05:01Z"));
    expect(stamp(real, NOW)).toBe(new Date(NOW).toISOString());
    const played = anchored(city({ kind: "virtual", speed: 60 }, "2015-12-01T00:00:00Z"), NOW, NOW);
    expect(stamp(played, NOW + 1000)).toBe("2015-12-01T00:01:00.000Z");
    const still = anchored(city({ kind: "virtual", speed: 60, playing: false }, "2015-12-01T00:00:00Z"), NOW, NOW);
    expect(stamp(still, NOW + 1000)).toBe("2015-12-01T00:00:00.000Z");
  });
});

describe("forms of receipts", () => {
  const schema = {
    type: "object",
    properties: {
      names: { type: "array", items: { type: "string", minLength: 2 }, minItems: 1 },
      count: { type: "integer", minimum: 1, title: { en: "Sites", "zh-CN": "点位" } },
      kind: { enum: ["a", "b"] },
      where: { type: "object", properties: { lane: { type: "string" } }, required: ["lane"] },
    },
    required: ["kind", "count"],
  };

  it("put the required fields first, in the order the plan gives them", () => {
    expect(fieldsOf(schema).map(({ name }) => name)).toEqual(["kind", "count", "names", "where"]);
    expect(formAsked([{ kind: "form", min: 1 }])?.required).toEqual(["summary"]);
    expect(formAsked([{ kind: "note", min: 1 }])).toBeNull();
  });

  it("say what is wrong at the field", () => {
    const wrong = mistakes(schema, { count: 0, kind: "c", names: ["x"], where: {} });
    expect(wrong.map(({ field, message }) => [field, message.en])).toEqual([
      ["kind", "must be one of: a, b"],
      ["count", "must not be less than 1"],
      ["names/0", "must have at least 2 characters"],
      ["where/lane", "is needed"],
    ]);
    expect(mistakes(schema, {}).map(({ field }) => field)).toEqual(["kind", "count"]);
    expect(mistakes(schema, { kind: "a", count: 1.5 })[0]?.message["zh-CN"]).toBe("应为整数");
    expect(mistakes(schema, { kind: "a", count: 2 })).toEqual([]);
  });

  it("leave out what was left empty, and keep no and nought", () => {
    expect(filled({ a: "", b: [""], c: { d: "" }, e: false, f: 0, g: ["x", ""] })).toEqual({
      e: false,
      f: 0,
      g: ["x"],
    });
  });
});

describe("the words of the field page", () => {
  it("are there in both languages, with the same places to fill", () => {
    const places = (words: string) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
    for (const key of Object.keys(zh) as (keyof typeof zh)[]) expect(places(en[key]), key).toEqual(places(zh[key]));
  });
});
