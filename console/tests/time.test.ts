import { describe, expect, it } from "vitest";
import { cityTime, countdown, dayStart, duration, isoSeconds, zoneOffset } from "../src/time/format";

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
