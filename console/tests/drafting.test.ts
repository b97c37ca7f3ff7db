import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Drafting } from "../src/field/drafting";
import type { Change, Draft } from "../src/field/types";

const EMPTY: Draft = { task: "task-1", note: "", form: {}, place: null, photos: [] };
const PHOTO = { key: "p", name: "site.jpg", bytes: 4, sent: false };
const BLOB = new Blob(["jpeg"]);

/** A store that takes as long as it is told for each write, and says what a reader finds afterwards. */
function store(...slow: number[]) {
  let kept: Draft | undefined;
  let writing = 0;
  const write = async (draft: Draft, photos?: Change["photos"]) => {
    writing += 1;
    expect(writing).toBe(1);
    await new Promise((done) => setTimeout(done, slow.shift() ?? 1));
    writing -= 1;
    if (photos?.put?.some(({ blob }) => blob.size === 0)) throw new Error("full");
    kept = draft;
  };
  return { write, found: () => kept };
}

const failed = (error: unknown) => expect.fail(String(error));

describe("a draft in the field", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("keeps a photo when letters typed before it are kept while it is written", async () => {
    const { write, found } = store(1_000);
    const drafting = new Drafting(EMPTY, write, failed);
    drafting.change({ note: "dust" });
    const added = drafting.add(PHOTO, BLOB);
    expect(drafting.draft.photos).toEqual([]); // not shown before it is kept
    await vi.advanceTimersByTimeAsync(1_000);
    await added;
    expect(drafting.draft.photos).toEqual([PHOTO]);
    await vi.runAllTimersAsync();
    expect(found()).toEqual({ ...EMPTY, note: "dust", photos: [PHOTO] });
  });
  it("keeps letters typed while a photo is written", async () => {
    const { write, found } = store(1_000);
    const drafting = new Drafting(EMPTY, write, failed);
    const added = drafting.add(PHOTO, BLOB);
    await vi.advanceTimersByTimeAsync(200);
    drafting.change({ note: "dust" });
    await vi.runAllTimersAsync();
    await added;
    expect(found()).toEqual({ ...EMPTY, note: "dust", photos: [PHOTO] });
  });
  it("says that a photo did not fit, and goes on without it", async () => {
    const { write, found } = store();
    const drafting = new Drafting(EMPTY, write, failed);
    const refused = expect(drafting.add(PHOTO, new Blob([]))).rejects.toThrow("full");
    drafting.change({ note: "dust" });
    await vi.runAllTimersAsync();
    await refused;
    expect(found()).toEqual({ ...EMPTY, note: "dust" });
  });
  it("forgets a photo that is taken out", async () => {
    const { write, found } = store();
    const drafting = new Drafting({ ...EMPTY, photos: [PHOTO] }, write, failed);
    const removed = drafting.remove(PHOTO);
    drafting.change({ note: "dust" });
    await vi.runAllTimersAsync();
    await removed;
    expect(found()).toEqual({ ...EMPTY, note: "dust" });
  });
  it("is kept at once when the page is left", async () => {
    const { write, found } = store();
    const drafting = new Drafting(EMPTY, write, failed);
    drafting.leave();
    expect(found()).toBeUndefined();
    drafting.change({ note: "dust" });
    drafting.leave();
    await vi.advanceTimersByTimeAsync(1);
    expect(found()).toEqual({ ...EMPTY, note: "dust" });
  });
  it("does not come back after it was handed in, and does when that failed", async () => {
    const { write, found } = store();
    const drafting = new Drafting({ ...EMPTY, note: "dust" }, write, failed);
    const not = drafting.hand(async () => false);
    await vi.runAllTimersAsync();
    await not;
    drafting.change({ note: "more dust" });
    await vi.runAllTimersAsync();
    expect(found()?.note).toBe("more dust");
    const handed = drafting.hand(async () => true);
    await vi.runAllTimersAsync();
    await handed;
    drafting.change({ note: "after" });
    drafting.leave();
    await vi.runAllTimersAsync();
    expect(found()?.note).toBe("more dust");
  });
});
