import { describe, expect, it } from "vitest";
import { everyOf, pageOf } from "../src/wall/turning";
import { DICTIONARIES } from "../src/wall/words";

describe("the wall", () => {
  it("shows a long list part by part, round and round, in both directions", () => {
    const all = [1, 2, 3, 4, 5];
    const shown = (turn: number) => pageOf(all, 2, turn).shown;
    expect([0, 1, 2, 3].map(shown)).toEqual([[1, 2], [3, 4], [5], [1, 2]]);
    expect(shown(-1)).toEqual([5]);
    expect(pageOf(all, 2, -4)).toEqual({ shown: [5], n: 2, total: 3 });
    expect(pageOf(all, 9, 7)).toEqual({ shown: all, n: 0, total: 1 });
    expect(pageOf([], 0, 3)).toEqual({ shown: [], n: 0, total: 1 });
  });

  it("takes from the address only a time that can be kept", () => {
    expect([null, "", " ", "x", "Infinity"].map(everyOf)).toEqual([20, 20, 20, 20, 20]);
    expect(["0", "-5", "2.4", "30", "1e9"].map(everyOf)).toEqual([2, 2, 2, 30, 600]);
  });

  it("says the same in both languages", () => {
    const places = (template: string) => [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    for (const [key, words] of Object.entries(DICTIONARIES["zh-CN"])) {
      const other = DICTIONARIES.en[key as keyof typeof DICTIONARIES.en];
      expect(places(other), key).toEqual(places(words));
      expect(/\p{Script=Han}/u.test(other), key).toBe(false);
    }
  });
});
