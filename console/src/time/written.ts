/** Dates as people write them, and the days of a month: calendar arithmetic only, no zones. */

export type Written = "date" | "month" | "datetime-local" | "time";

const two = (value: number | string) => String(value).padStart(2, "0");

const DATE = String.raw`(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?`;
const TIME = String.raw`(\d{1,2})\s*[:：时点.]\s*(\d{1,2})\s*分?(?:[:：]\d{2})?`;
const FORMS: Record<Written, RegExp[]> = {
  date: [new RegExp(`^${DATE}$`), /^(\d{4})(\d{2})(\d{2})$/],
  month: [/^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*月?$/, /^(\d{4})(\d{2})$/],
  "datetime-local": [new RegExp(`^${DATE}[\\sT]*${TIME}$`), /^(\d{4})(\d{2})(\d{2})\s*(\d{2})(\d{2})$/],
  time: [new RegExp(`^${TIME}$`), /^(\d{2})(\d{2})$/],
};

/** What was meant, as the input elements of HTML write it (2026-03-01, 2026-03, 2026-03-01T08:30, 08:30); else null. */
export function meant(text: string, kind: Written): string | null {
  const plain = text.trim().replace(/[０-９]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) - 0xfee0));
  for (const form of FORMS[kind]) {
    const parts = form.exec(plain)?.slice(1).map(Number);
    if (parts === undefined) continue;
    const clock = kind === "time" ? parts : parts.slice(3);
    const [hour = 0, minute = 0] = clock;
    if (hour > 23 || minute > 59) return null;
    if (kind === "time") return `${two(hour)}:${two(minute)}`;
    const [year = 0, month = 0, day = 1] = parts;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null;
    const start = `${String(year).padStart(4, "0")}-${two(month)}`;
    if (kind === "month") return start;
    return kind === "date" ? `${start}-${two(day)}` : `${start}-${two(day)}T${two(hour)}:${two(minute)}`;
  }
  return null;
}

/** Whether it is written to its end: a single digit at the end may still become two. */
export const finished = (text: string, kind: Written) =>
  kind === "time"
    ? /^\d{2}\D\d{2}$/.test(text)
    : kind === "month"
      ? /^\d{4}-\d{2}$/.test(text)
      : kind === "date"
        ? /^\d{4}-\d{2}-\d{2}$/.test(text)
        : /^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}$/.test(text);

/** As the city writes it: a space between day and time. */
export const written = (value: string) => value.replace("T", " ").slice(0, 16);

const daysIn = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate();

const asDay = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** A day so many days on. */
export const dayOn = (day: string, days: number) => asDay(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000);

/** The same day so many months on, or the last one of a shorter month. */
export function monthOn(day: string, months: number): string {
  const [year = 1, month = 1, at = 1] = day.split("-").map(Number);
  const first = new Date(Date.UTC(year, month - 1 + months, 1));
  const last = daysIn(first.getUTCFullYear(), first.getUTCMonth() + 1);
  return asDay(first.getTime() + (Math.min(at, last) - 1) * 86_400_000);
}

/** The weeks of the month of a day, from Monday; days of its neighbours fill the edges. */
export function weeks(day: string): string[][] {
  const first = `${day.slice(0, 7)}-01`;
  const start = dayOn(first, -weekday(first));
  const found: string[][] = [];
  for (let week = start; week.slice(0, 7) <= day.slice(0, 7); week = dayOn(week, 7))
    found.push(Array.from({ length: 7 }, (_, at) => dayOn(week, at)));
  return found;
}

/** 0 for Monday … 6 for Sunday. */
export const weekday = (day: string) => (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7;
