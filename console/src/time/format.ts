/** Times as the city writes them: its own zone, 24 hours; lengths of time in words short enough for a table. */

import type { Iso, Language } from "../api/types";

const formatters = new Map<string, Intl.DateTimeFormat>();

function parts(ms: number, zone: string): Record<string, string> {
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formatters.set(zone, formatter);
  }
  return Object.fromEntries(formatter.formatToParts(ms).map(({ type, value }) => [type, value]));
}

export type Shape = "full" | "minute" | "short" | "time" | "hour" | "date";

/** full 2015-12-07 18:30:05 · minute 2015-12-07 18:30 · short 12-07 18:30 · time 18:30:05 · hour 18:30 · date 2015-12-07 */
export function cityTime(at: Iso | number, zone: string, shape: Shape = "minute"): string {
  const ms = typeof at === "number" ? at : Date.parse(at);
  if (Number.isNaN(ms)) return "—";
  const { year, month, day, hour, minute, second } = parts(ms, zone);
  const date = `${year}-${month}-${day}`;
  if (shape === "date") return date;
  if (shape === "hour") return `${hour}:${minute}`;
  if (shape === "time") return `${hour}:${minute}:${second}`;
  if (shape === "short") return `${month}-${day} ${hour}:${minute}`;
  return shape === "full" ? `${date} ${hour}:${minute}:${second}` : `${date} ${hour}:${minute}`;
}

const offsets = new Map<string, number>();

/** How far the zone is ahead of UTC at that moment, in ms (kept per hour: zones change on the hour or rarer). */
export function zoneOffset(ms: number, zone: string): number {
  const hour = Math.floor(ms / 3_600_000);
  const key = `${zone}|${hour}`;
  let offset = offsets.get(key);
  if (offset === undefined) {
    const at = hour * 3_600_000;
    const { year, month, day, hour: h, minute, second } = parts(at, zone);
    offset = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(h), Number(minute), Number(second)) - at;
    offsets.set(key, offset);
  }
  return offset;
}

/** The first moment of a city's day "2015-12-07", in UTC. */
export function dayStart(date: string, zone: string): Iso {
  const wall = Date.parse(`${date}T00:00:00Z`);
  return new Date(wall - zoneOffset(wall - zoneOffset(wall, zone), zone)).toISOString();
}

const UNITS: Record<Language, [string, string, string, string]> = {
  "zh-CN": [" 天", " 小时", " 分", " 秒"],
  en: [" d", " h", " min", " s"],
};

/** A length of time by its two largest units: 3 d 4 h, 12 min, 8 s. Negative lengths are given without a sign. */
export function duration(seconds: number, language: Language): string {
  const left = Math.abs(Math.round(seconds));
  const amounts = [Math.floor(left / 86_400), Math.floor(left / 3_600) % 24, Math.floor(left / 60) % 60, left % 60];
  const first = amounts.findIndex((amount) => amount > 0);
  if (first === -1) return `0${UNITS[language][3]}`;
  const shown = first >= 2 ? [first] : [first, first + 1];
  return shown
    .filter((unit) => (amounts[unit] ?? 0) > 0)
    .map((unit) => `${amounts[unit]}${UNITS[language][unit]}`)
    .join(" ");
}

/** A running clock: 1d 02:03:04, 02:03:04, 03:04. */
export function countdown(ms: number, language: Language): string {
  const left = Math.floor(Math.abs(ms) / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const days = Math.floor(left / 86_400);
  const hours = Math.floor(left / 3_600) % 24;
  const tail = `${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`;
  if (days > 0) return `${days} ${language === "en" ? "d" : "天"} ${two(hours)}:${tail}`;
  return hours > 0 ? `${two(hours)}:${tail}` : tail;
}

/** An ISO 8601 duration (PT3H, P1DT30M) in seconds; null when it is none. */
export function isoSeconds(text: string | null): number | null {
  const match = text?.match(/^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/);
  if (!match || text === "P" || text?.endsWith("T")) return null;
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0));
  return weeks * 604_800 + days * 86_400 + hours * 3_600 + minutes * 60 + seconds;
}
