import { describe, expect, it } from "vitest";
import { article, counted } from "../src/knowledge/article";
import { decoded, header } from "../src/knowledge/given";
import { browserOf } from "../src/people/parts";

describe("files that a person gives", () => {
  it("are read as UTF-8, else as what Chinese office programs write", () => {
    expect(decoded(new TextEncoder().encode("编号,部门").buffer as ArrayBuffer)).toBe("编号,部门");
    expect(decoded(new Uint8Array([0xb1, 0xe0, 0xba, 0xc5]).buffer)).toBe("编号");
  });

  it("name their columns in the first record, also with quotes, line breaks and a mark at the front", () => {
    expect(header('\ufeffcase,"a, b","say ""x""","two\nlines"\r\n1,2')).toEqual([
      "case",
      "a, b",
      'say "x"',
      "two\nlines",
    ]);
    expect(header("")).toEqual([]);
  });
});

describe("the place of a clause", () => {
  it("is a number in English and stays as it is in Chinese", () => {
    expect(article("第九十六条", "en")).toBe("Art. 96");
    expect(article("第一百二十条之一第二款第（三）项", "en")).toBe("Art. 120-1 para. 2 item 3");
    expect(article("第十条第二款", "en")).toBe("Art. 10 para. 2");
    expect(article("第九十六条", "zh-CN")).toBe("第九十六条");
    expect(article("4.2.1", "en")).toBe("4.2.1");
    expect([counted("十"), counted("二十"), counted("一百零三"), counted("甲")]).toEqual(["10", "20", "103", "甲"]);
  });
});

describe("a browser", () => {
  it("is named in few words", () => {
    const engine = "AppleWebKit/537.36 (KHTML, like Gecko)";
    expect(browserOf(`Mozilla/5.0 (Windows NT 10.0) ${engine} Chrome/131.0 Safari/537.36 Edg/131.0`)).toBe(
      "Edge 131 · Windows",
    );
    expect(browserOf(`Mozilla/5.0 (X11; Linux x86_64) ${engine} HeadlessChrome/156.0.0.0 Safari/537.36`)).toBe(
      "Chrome 156 · Linux",
    );
    expect(browserOf(`Mozilla/5.0 (iPhone; CPU) ${engine} Version/18.1 Safari/604.1`)).toBe("Safari 18 · iPhone");
    expect(browserOf("curl/8.5")).toBe("curl/8.5");
  });
});
