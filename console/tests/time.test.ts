import { describe, expect, it } from "vitest";
import { cityTime, countdown, dayStart, duration, isoSeconds, zoneOffset } from "../src/time/format";
import { dayOn, finished, meant, monthOn, weekday, weeks, written } from "../src/time/written";

const ZONE = "Asia/Shanghai";

describe("the city's time", () => {
  it("is written in the city's zone, 24 hours", () => {
    expect(cityTime("2015-12-07T16:05:09Z", ZONE, "full")).toBe("2015-12-08 00:05:09");
    expect(cityTime("2015-12-07T10:30:05Z", ZONE)).toBe("2015-12-07 18:30");
    expect(cityTime("2015-12-07T10:30:05Z", ZONE, "short")).toBe("12-07 18:30");
    expect(cityTime("2015-12-07T10:30:05Z", ZONE, "hour")).toBe("18:30");
    expect(cityTime("2015-12-07T10:30:05Z", "America/New_York", "date")).toBe("2015-12-07");
    expect(cityTime("never", ZONE)).toBe("—");
  });

  it("knows how far a zone is ahead, also in summer", () => {
    expect(zoneOffset(Date.parse("2015-12-07T10:30:00Z"), ZONE)).toBe(8 * 3_600_000);
    expect(zoneOffset(Date.parse("2015-07-01T12:00:00Z"), "Europe/Berlin")).toBe(2 * 3_600_000);
    expect(zoneOffset(Date.parse("2015-12-01T12:00:00Z"), "Europe/Berlin")).toBe(3_600_000);
  });

  it("knows where a city's day begins", () => {
    expect(dayStart("2015-12-07", ZONE)).toBe("2015-12-06T16:00:00.000Z");
    expect(dayStart("2015-07-01", "Europe/Berlin")).toBe("2015-06-30T22:00:00.000Z");
  });
});

describe("lengths of time", () => {
  it("are given by their two largest units", () => {
    expect(duration(0, "en")).toBe("0 s");
    expect(duration(8, "zh-CN")).toBe("8 秒");
    expect(duration(754, "en")).toBe("12 min");
    expect(duration(3 * 3600 + 5 * 60 + 9, "zh-CN")).toBe("3 小时 5 分");
    expect(duration(86_400 * 3, "en")).toBe("3 d");
    expect(duration(-7200, "en")).toBe("2 h");
  });

  it("tick as a clock", () => {
    expect(countdown(184_000, "en")).toBe("03:04");
    expect(countdown(7_384_000, "zh-CN")).toBe("02:03:04");
    expect(countdown(-(86_400_000 + 7_384_000), "en")).toBe("1 d 02:03:04");
    expect(countdown(86_400_000 + 7_384_000, "zh-CN")).toBe("1 天 02:03:04");
  });

  it("are read from ISO 8601", () => {
    expect(isoSeconds("PT3H")).toBe(10_800);
    expect(isoSeconds("P1DT30M")).toBe(88_200);
    expect(isoSeconds("P2W")).toBe(1_209_600);
    for (const text of ["P", "PT", "3H", "P1Y", null]) expect(isoSeconds(text)).toBeNull();
  });
});

describe("dates as people write them", () => {
  it("are understood in the ways of both languages", () => {
    for (const said of [
      "2026-03-01",
      "2026-3-1",
      "2026/3/1",
      "2026.03.01",
      "20260301",
      "2026年3月1日",
      " ２０２６-3-1 ",
    ])
      expect([said, meant(said, "date")]).toEqual([said, "2026-03-01"]);
    expect(meant("2026年3月", "month")).toBe("2026-03");
    for (const said of [
      "2026-03-01 08:30",
      "2026-03-01T08:30",
      "202603010830",
      "2026年3月1日8时30分",
      "2026-03-01T08:30:00",
    ])
      expect([said, meant(said, "datetime-local")]).toEqual([said, "2026-03-01T08:30"]);
    for (const said of ["8:30", "0830", "08：30"]) expect([said, meant(said, "time")]).toEqual([said, "08:30"]);
  });

  it("are refused where there is no such day or hour", () => {
    for (const said of ["2026-02-29", "2026-13-01", "2026-00-01", "03/01/2026", "tomorrow", "2026-03"])
      expect([said, meant(said, "date")]).toEqual([said, null]);
    expect(meant("2024-02-29", "date")).toBe("2024-02-29");
    expect(meant("24:00", "time")).toBeNull();
    expect(meant("2026-03-01 08:60", "datetime-local")).toBeNull();
  });

  it("are told only once nothing more is to come", () => {
    expect(finished("2026-03-1", "date")).toBe(false);
    expect(finished("2026-03-15", "date")).toBe(true);
    expect(finished("2026-03-15 8:3", "datetime-local")).toBe(false);
    expect(written("2026-03-15T08:30:00")).toBe("2026-03-15 08:30");
  });

  it("have months of whole weeks from Monday", () => {
    const march = weeks("2026-03-15");
    expect([march.length, march[0]?.[0], march.at(-1)?.[6]]).toEqual([6, "2026-02-23", "2026-04-05"]);
    expect(weeks("2027-02-10")).toHaveLength(4);
    expect(weekday("2026-03-01")).toBe(6);
    expect(dayOn("2026-02-28", 1)).toBe("2026-03-01");
    expect([monthOn("2026-01-31", 1), monthOn("2026-01-31", -2), monthOn("2026-12-05", 1)]).toEqual([
      "2026-02-28",
      "2025-11-30",
      "2027-01-05",
    ]);
  });
});
