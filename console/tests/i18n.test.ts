import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fill, pick } from "../src/i18n";
import { en } from "../src/i18n/en";
import { zhCN } from "../src/i18n/zh-CN";

const places = (template: string) => [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

describe("the two dictionaries", () => {
  it("have the same keys, none empty", () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(zhCN).sort());
    for (const [key, words] of [...Object.entries(zhCN), ...Object.entries(en)]) expect(words.trim(), key).not.toBe("");
  });

  it("have the same places to fill", () => {
    for (const key of Object.keys(zhCN) as (keyof typeof zhCN)[])
      expect(places(en[key]), key).toEqual(places(zhCN[key]));
  });

  it("are in their own language", () => {
    const han = /\p{Script=Han}/u;
    for (const [key, words] of Object.entries(en)) if (key !== "product") expect(han.test(words), key).toBe(false);
  });

  it("hold no key that no page uses", () => {
    const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));
    const code = files
      .filter((name) => !/zh-CN|en\.ts/.test(name))
      .map((name) => readFileSync(join("src", name), "utf8"));
    const all = code.join("\n");
    const built = [...all.matchAll(/`([a-z.]+\.)\$\{/g)].map(([, prefix]) => prefix ?? "");
    const unused = Object.keys(zhCN).filter(
      (key) => !all.includes(`"${key}"`) && !built.some((prefix) => key.startsWith(prefix)),
    );
    expect(unused).toEqual([]);
  });
});

/** Every English word of the console, wherever it stands, by file and key. */
const english = Object.entries(
  import.meta.glob<Record<string, Record<string, string>>>("../src/**/{en,*.en}.ts", { eager: true }),
).flatMap(([file, parts]) =>
  Object.values(parts).flatMap((words) =>
    Object.entries(words).map(([key, said]) => [`${file} ${key}`, said] as const),
  ),
);

// what may follow a place and ends in s without being several of something
const NO_COUNT =
  /^(?:across|always|as|asks|becomes|does|ends|follows|goes|has|holds|is|its|less|needs|reads|speaks|stands|stays|s|this|waits|was)$/;

describe("counted words", () => {
  it("have their singular and their plural", () => {
    expect(english.length).toBeGreaterThan(1_500);
    const wrong = english.filter(([, said]) => {
      const counted = [...said.matchAll(/\{\w+\} (?:(?:more|new|other|working|chosen|open) )?([a-z]+)\b/g)];
      return (
        /\w\(s\)/.test(said) ||
        counted.some(([, word = ""]) => /s$|^are$|^were$|^have$/.test(word) && !NO_COUNT.test(word))
      );
    });
    expect(wrong).toEqual([]);
  });

  it("follow the number, also when it is written for the reader", () => {
    const said = "{n} {n|row is|rows are} new";
    expect(fill(said, { n: 1 })).toBe("1 row is new");
    expect(fill(said, { n: 0 })).toBe("0 rows are new");
    expect(fill(said, { n: "1,001" })).toBe("1,001 rows are new");
    expect(fill(said, { n: "1" })).toBe("1 row is new");
    expect(fill(said)).toBe("{n} rows are new");
  });
});

describe("words", () => {
  it("fill their places and keep what is missing visible", () => {
    expect(fill("{n} of {total}", { n: 3 })).toBe("3 of {total}");
  });

  it("are picked in the reader's language, else in the other", () => {
    expect(pick({ "zh-CN": "空气", en: "Air" }, "en")).toBe("Air");
    expect(pick({ "zh-CN": "空气" }, "en")).toBe("空气");
    expect(pick(null, "en")).toBe("");
    expect(pick("plain", "zh-CN")).toBe("plain");
  });
});
