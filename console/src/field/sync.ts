/**
 * Keeps a phone and the city in step. What is pressed is in the phone's store before the button answers; it goes to the
 * city in its order, under the id it got when it was pressed, as often as it takes; then the phone takes in what changed.
 */

import { commandId, get, Problem, request } from "../api/client";
import type { City, Page, StoredFile, Task, Text } from "../api/types";
import { anchored, cityNow, stamp } from "./clock";
import { askWho } from "./person";
import { countWaiting, inOrder, outdated, type Played, projected, refusalOf, settled, spelled, toSend } from "./queue";
import type { ActBody, Actor, Box, Change, Draft, FieldVerb, Kept, PhotoNote, Waiting } from "./types";

/** working: speaking with the city, or about to; over: the session is over; stranger: somebody else is signed in here now. */
export type Link = "idle" | "working" | "offline" | "over" | "stranger";

const TOGETHER = 50;
const UPLOAD_MS = 180_000;
const ASK_MS = 15_000;

/** What the city is asked; tests bring their own. */
export interface Wire {
  who(): Promise<Actor | null>;
  city(): Promise<City>;
  file(task: string, name: string, blob: Blob): Promise<StoredFile>;
  play(acts: Record<string, unknown>[], sentAt: string): Promise<Played[]>;
  changes(after: number | null): Promise<{ items: Task[]; next: number; more: boolean }>;
  open(after: string | null): Promise<Page<Task>>;
  task(id: string): Promise<Task>;
  clauses(): Promise<{ id: string; title: Text }[]>;
}

export const wire: Wire = {
  who: async () => (await askWho(ASK_MS))?.actor ?? null,
  city: () => request<City>("GET", "/api/city", undefined, ASK_MS),
  file: (task, name, blob) => {
    const body = new FormData();
    body.append("file", blob, name);
    return request<StoredFile>("POST", `/api/tasks/${encodeURIComponent(task)}/files`, body, UPLOAD_MS);
  },
  play: async (acts, sent_at) => (await request<Page<Played>>("POST", "/api/acts", { acts, sent_at })).items,
  changes: (after) => get("/api/tasks/changes", { after }),
  open: (after) => get("/api/tasks", { mine: true, limit: 200, after }),
  task: (id) => get(`/api/tasks/${encodeURIComponent(id)}`),
  clauses: async () => (await get<Page<{ id: string; title: Text }>>("/api/clauses")).items,
};

export interface Shown {
  kept: Kept;
  link: Link;
  /** What the city said when it could not go on with us, other than being out of reach. */
  trouble: Problem | null;
}

export class Sync {
  private shown: Shown;
  private listeners = new Set<() => void>();
  private running: Promise<void> | null = null;
  private again = false;
  private readonly pressing = new Set<string>();
  private closed = false;
  private readonly others: BroadcastChannel | null;

  constructor(
    readonly actor: Actor,
    private readonly box: Box,
    kept: Kept,
    private readonly city: Wire = wire,
    private readonly now: () => number = Date.now,
  ) {
    this.shown = { kept, link: kept.meta.offlineSince === null ? "working" : "offline", trouble: null };
    this.others = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(`cityheart-field:${actor.id}`);
    if (this.others) this.others.onmessage = () => void this.reread();
  }

  get = (): Shown => this.shown;
  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  close() {
    this.closed = true;
    this.others?.close();
    this.box.close();
  }

  photo = (key: string) => this.box.photo(key);

  /** The person presses: kept first, then sent. The photos are those of the draft, which becomes the act. */
  async press(task: Task, verb: FieldVerb, body: ActBody, photos: PhotoNote[] = []): Promise<void> {
    const { acts, meta } = this.shown.kept;
    // The same press twice is one act: a task has one act of a kind waiting at most.
    const key = `${task.id} ${verb}`;
    if (this.pressing.has(key) || toSend(acts.values()).some((one) => one.task === task.id && one.verb === verb))
      return;
    const act: Waiting = {
      id: commandId(),
      order: 1 + Math.max(0, ...[...acts.values()].map(({ order }) => order)),
      task: task.id,
      title: task.title,
      verb,
      body,
      at: stamp(meta.anchor, this.now()),
      photos,
      refusal: null,
    };
    this.pressing.add(key);
    try {
      await this.write({ acts: { put: [act] }, ...(verb === "submit" ? { drafts: { drop: [task.id] } } : {}) });
    } finally {
      this.pressing.delete(key);
    }
    void this.run();
  }

  async keepDraft(draft: Draft, photos?: Change["photos"]): Promise<void> {
    await this.write({ drafts: { put: [draft] }, photos });
  }

  /** A refused act is given up, with its photos. */
  async drop(act: Waiting): Promise<void> {
    await this.write({ acts: { drop: [act.id] }, photos: { drop: act.photos.map(({ key }) => key) } });
  }

  /** A refused receipt becomes a draft again, to be mended and sent as a new act. */
  async mend(act: Waiting): Promise<void> {
    const { note = "", form = {}, place = null } = act.body;
    const draft: Draft = { task: act.task, note, form, place, photos: act.photos };
    await this.write({ acts: { drop: [act.id] }, drafts: { put: [draft] } });
  }

  /** Exchange everything with the city; one at a time, and once more when something came meanwhile. */
  run = (): Promise<void> => {
    if (this.closed) return Promise.resolve();
    if (this.running !== null) {
      this.again = true;
      return this.running;
    }
    const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
    const once = async (): Promise<void> => {
      if (locks) await locks.request(`cityheart-field:${this.actor.id}`, () => this.exchange());
      else await this.exchange();
    };
    const running = once().finally(() => {
      this.running = null;
      if (this.again && !this.closed) {
        this.again = false;
        void this.run();
      }
    });
    this.running = running;
    return running;
  };

  private async exchange(): Promise<void> {
    if (this.closed) return;
    if (this.shown.link !== "offline") this.show({ link: "working" });
    try {
      const who = await this.city.who();
      if (who === null) return this.show({ link: "over", trouble: null });
      // What one person pressed is never sent in the name of another.
      if (who.id !== this.actor.id) return this.show({ link: "stranger", trouble: null });
      const asked = this.now();
      const anchor = anchored(await this.city.city(), asked, this.now());
      await this.write({ meta: { anchor, offlineSince: null } });
      this.show({ link: "working", trouble: null });
      await this.sendAll();
      await this.takeIn();
      await this.write({ meta: { syncedAt: this.now() } });
      this.show({ link: "idle", trouble: null });
    } catch (error) {
      if (this.closed) return;
      if (error instanceof Problem && error.status === 401) return this.show({ link: "over", trouble: null });
      if (error instanceof Problem && error.status > 0 && error.status < 500)
        return this.show({ link: "idle", trouble: error });
      // Out of reach, or broken over there: for the person it is the same.
      // (Where the store itself is gone, because another page signed out, there is nothing to note it in.)
      if (this.shown.kept.meta.offlineSince === null)
        await this.write({ meta: { offlineSince: this.now() } }).catch(() => undefined);
      this.show({
        link: "offline",
        trouble: error instanceof Problem ? null : new Problem(0, "broken", String(error)),
      });
    }
  }

  /** Sends what waits, in its order: before a receipt its photos. Several acts go in one request. */
  private async sendAll(): Promise<void> {
    let batch: Waiting[] = [];
    for (const { id } of toSend(this.shown.kept.acts.values())) {
      const act = await this.withPhotos(id);
      if (act === null) continue;
      batch.push(act);
      const more = toSend(this.shown.kept.acts.values()).find(({ order }) => order > act.order);
      if (batch.length < TOGETHER && more && more.photos.every(({ sent }) => sent)) continue;
      await this.play(batch);
      batch = [];
    }
    if (batch.length > 0) await this.play(batch);
  }

  /** The act when all its photos are with the city; null when one was refused, and the act with it. */
  private async withPhotos(id: string): Promise<Waiting | null> {
    for (;;) {
      const act = this.shown.kept.acts.get(id);
      if (act === undefined || act.refusal !== null) return null;
      const next = act.photos.find(({ sent }) => !sent);
      if (next === undefined) return act;
      const blob = await this.box.photo(next.key);
      try {
        if (blob === null) throw new Problem(410, "photo-lost", "the phone no longer has the photo");
        await this.city.file(act.task, next.name, blob);
      } catch (error) {
        if (
          !(error instanceof Problem) ||
          error.status === 401 ||
          error.status === 429 ||
          error.status < 400 ||
          error.status >= 500
        )
          throw error;
        // Somebody was quicker: the act itself is told so in better words than its photo.
        if (error.status === 409 && (await this.beyond(act.task))) return act;
        const { status, code, detail, remedy, more } = error;
        await this.write({ acts: { put: [{ ...act, refusal: { status, code, detail, remedy, more } }] } });
        return null;
      }
      const photos = act.photos.map((one) => (one.key === next.key ? { ...one, sent: true } : one));
      await this.write({ acts: { put: [{ ...act, photos }] } });
    }
  }

  /** Whether the task can never be submitted any more. */
  private async beyond(task: string): Promise<boolean> {
    const { state } = await this.city.task(task);
    return ["submitted", "verified", "closed", "cancelled"].includes(state);
  }

  private async play(acts: Waiting[]): Promise<void> {
    let answers: Played[];
    try {
      answers = await this.city.play(acts.map(spelled), stamp(this.shown.kept.meta.anchor, this.now()));
    } catch (error) {
      if (!(error instanceof Problem) || ![400, 413, 422].includes(error.status)) throw error;
      // One that cannot be read must not hold up the others.
      if (acts.length > 1) {
        for (const act of acts) await this.play([act]);
        return;
      }
      const { status, code, detail, remedy } = error;
      answers = acts.map(({ id }) => ({ command_id: id, ok: false, problem: { status, code, detail, remedy } }));
    }
    const { done, refused, later } = settled(acts, answers);
    // What the city has taken stays taken until its own word of it comes: no page falls back to what was before.
    const moved = [...new Set(done.map(({ task }) => task))]
      .map((id) => this.shown.kept.tasks.get(id))
      .filter((task) => task !== undefined)
      .map((task) => projected(task, done));
    await this.write({
      tasks: { put: moved },
      acts: { put: refused, drop: done.map(({ id }) => id) },
      photos: { drop: done.flatMap(({ photos }) => photos.map(({ key }) => key)) },
    });
    if (later.length > 0) {
      const problem = answers.find(({ ok }) => !ok)?.problem;
      const { status, code, detail, remedy, more } = refusalOf(problem);
      throw new Problem(status, code, detail, remedy, more);
    }
  }

  private async takeIn(): Promise<void> {
    const { meta } = this.shown.kept;
    let cursor = meta.cursor;
    if (cursor === null) {
      const first = await this.city.changes(null);
      await this.take(first.items, first.next);
      cursor = first.next;
      for (let page = first.more ? await this.city.open(null) : null; page !== null; ) {
        await this.take(page.items, cursor);
        page = page.next === null ? null : await this.city.open(page.next);
      }
    } else {
      for (let more = true; more; ) {
        const found = await this.city.changes(cursor);
        await this.take(found.items, found.next);
        cursor = found.next;
        more = found.more;
      }
    }
    const named = new Set([...this.shown.kept.tasks.values()].flatMap(({ clauses }) => clauses ?? []));
    if ([...named].some((id) => this.shown.kept.meta.clauses[id] === undefined)) {
      const found = await this.city.clauses().catch(() => []);
      const known = Object.fromEntries([...named].map((id) => [id, { "zh-CN": id, en: id }]));
      const titles = found.filter(({ id }) => named.has(id)).map(({ id, title }) => [id, title]);
      await this.write({ meta: { clauses: { ...known, ...Object.fromEntries(titles) } } });
    }
  }

  private async take(items: Task[], cursor: number): Promise<void> {
    const { tasks, acts, drafts, meta } = this.shown.kept;
    const after = new Map([...tasks, ...items.map((task) => [task.id, task] as const)]);
    const now = cityNow(meta.anchor, this.now());
    const drop = outdated(after.values(), acts.values(), new Set(drafts.keys()), now);
    await this.write({ tasks: { put: items.filter(({ id }) => !drop.includes(id)), drop }, meta: { cursor } });
  }

  /** Into the store, then onto the page, then to other pages of this person. */
  private async write(change: Change): Promise<void> {
    await this.box.write(change);
    this.show({ kept: changed(this.shown.kept, change) });
    if (change.tasks || change.acts || change.drafts) this.others?.postMessage("changed");
  }

  private async reread(): Promise<void> {
    if (!this.closed) this.show({ kept: await this.box.read() });
  }

  private show(part: Partial<Shown>) {
    this.shown = { ...this.shown, ...part };
    for (const listener of this.listeners) listener();
  }
}

function changed(kept: Kept, change: Change): Kept {
  const put = <T>(map: Map<string, T>, part: { put?: T[]; drop?: string[] } | undefined, id: (one: T) => string) => {
    if (part === undefined) return map;
    const next = new Map(map);
    for (const one of part.put ?? []) next.set(id(one), one);
    for (const gone of part.drop ?? []) next.delete(gone);
    return next;
  };
  return {
    tasks: put(kept.tasks, change.tasks, ({ id }) => id),
    acts: put(kept.acts, change.acts, ({ id }) => id),
    drafts: put(kept.drafts, change.drafts, ({ task }) => task),
    meta: { ...kept.meta, ...change.meta },
  };
}

export const waitingIn = (kept: Kept): number => countWaiting(kept.acts.values());
export const refusedIn = (kept: Kept): Waiting[] =>
  inOrder(kept.acts.values()).filter(({ refusal }) => refusal !== null);
