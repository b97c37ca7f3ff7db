import { afterEach, describe, expect, it, vi } from "vitest";
import { get, Problem, speak } from "../src/api/client";
import { fill, pick, type Words } from "../src/i18n";
import { zhCN } from "../src/i18n/zh-CN";
import { fitting } from "../src/ui/Nav";
import { told } from "../src/ui/refusal";

const words = {
  language: "zh-CN",
  t: (key: keyof typeof zhCN, values?: Record<string, string | number>) => fill(zhCN[key], values),
  say: (text: unknown) => pick(text as Record<string, string>, "zh-CN"),
} as Words;

describe("what finds room in the navigation", () => {
  it("shows all where all find room, also without room for the button", () => {
    expect(fitting([50, 50, 50], 40, 0, 150)).toBe(3);
    expect(fitting([50, 50, 50], 40, 10, 170)).toBe(3);
    expect(fitting([], 40, 10, 0)).toBe(0);
  });
  it("keeps room for the button that holds the rest", () => {
    expect(fitting([50, 50, 50], 40, 0, 149)).toBe(2);
    expect(fitting([50, 50, 50], 40, 0, 139)).toBe(1);
    expect(fitting([50, 50, 50], 40, 10, 150)).toBe(1);
    expect(fitting([50, 50, 50], 40, 0, 60)).toBe(0);
  });
});

describe("the language of a refusal", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    speak("");
  });
  it("is asked for, and comes with what to do", async () => {
    const asked: (string | null)[] = [];
    vi.stubGlobal("fetch", (_: string, { headers }: RequestInit) => {
      asked.push(new Headers(headers).get("Accept-Language"));
      const body = { status: 404, code: "not-found", detail: "没有任务 x", remedy: "请查看任务列表" };
      return Promise.resolve(new Response(JSON.stringify(body), { status: 404 }));
    });
    for (const language of ["zh-CN", "en"]) {
      speak(language);
      await expect(get("/api/tasks/x")).rejects.toMatchObject({ detail: "没有任务 x", remedy: "请查看任务列表" });
    }
    expect(asked).toEqual(["zh-CN", "en"]);
  });
});

describe("what a person is told", () => {
  it("names the permission that is missing and who holds it", () => {
    const needs = {
      permission: "event.read",
      title: { "zh-CN": "查看审计日志", en: "read the event log" },
      scope: "anywhere",
      roles: [{ "zh-CN": "值班员" }, { "zh-CN": "协调员" }],
    };
    const { detail, remedy, code } = told(new Problem(403, "forbidden", "user-1 may not", "ask", { needs }), words);
    expect(detail).toBe("缺少权限：查看审计日志。");
    expect(remedy).toContain("值班员、协调员");
    expect(code).toBe("403 · event.read");
  });
  it("does not say a fault of the server in the server's words", () => {
    const { title, detail, code } = told(new Problem(500, "http-500", "Internal Server Error"), words);
    expect([title, detail, code]).toEqual(["城市的服务器出了错", null, "500 · http-500"]);
  });
  it("tells a part that did not come from a page that is broken", () => {
    const missing = new TypeError("Failed to fetch dynamically imported module: /assets/a.js");
    expect(told(missing, words).title).toBe("这部分页面没有载入");
    expect(told(new TypeError("x is undefined"), words).title).toBe("这一页出了错");
  });
});
