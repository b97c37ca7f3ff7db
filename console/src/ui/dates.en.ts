import type { zh } from "./dates.zh";

export const en: Record<keyof typeof zh, string> = {
  choose: "Choose from the calendar",
  before: "Month before",
  after: "Month after",
  yearBefore: "Year before",
  yearAfter: "Year after",
  today: "Today",
  "form.date": "YYYY-MM-DD",
  "form.month": "YYYY-MM",
  "form.datetime-local": "YYYY-MM-DD HH:MM",
  "form.time": "HH:MM",
  "not.date": "Write it as year-month-day, such as {example}",
  "not.month": "Write it as year-month, such as {example}",
  "not.datetime-local": "Write it as year-month-day hour:minute, such as {example}",
  "not.time": "Write it as hour:minute of 24 hours, such as {example}",
  early: "Not before {min}",
  late: "Not after {max}",
};
