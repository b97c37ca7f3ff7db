import { afterEach, describe, expect, it } from "vitest";
import { commandShelf, forgetAll } from "../src/api/kept";

/** As much of a browser's storage as is used; its keys are its own properties, as in a browser. */
function storage(): Storage {
  const kept = {} as Record<string, string>;
  const hidden = (value: unknown) => ({ value, enumerable: false });
  return Object.defineProperties(kept, {
    getItem: hidden((key: string) => kept[key] ?? null),
    setItem: hidden((key: string, value: string) => {
      kept[key] = value;
    }),
    removeItem: hidden((key: string) => {
      delete kept[key];
    }),
  }) as unknown as Storage;
}

afterEach(() => Reflect.deleteProperty(globalThis, "window"));

describe("what was begun", () => {
  it("is gone for whoever sits down next, and nothing else of the window is", () => {
    const sessionStorage = storage();
    Object.assign(globalThis, { window: { sessionStorage } });
    commandShelf("task.submit").put({ key: "k", id: "1" });
    sessionStorage.setItem("of somebody else", "stays");
    expect(commandShelf("task.submit").take()).toEqual({ key: "k", id: "1" });
    forgetAll();
    expect(commandShelf("task.submit").take()).toBeNull();
    expect(Object.keys(sessionStorage)).toEqual(["of somebody else"]);
  });
  it("does without a storage that is not there", () => {
    Object.assign(globalThis, { window: {} });
    commandShelf("task.submit").put({ key: "k", id: "1" });
    expect(commandShelf("task.submit").take()).toBeNull();
    expect(forgetAll).not.toThrow();
  });
});
