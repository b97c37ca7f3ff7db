/** Values of parameters as they can be read. A name that ends in a unit (`keep_days`, `swap_m`) gives its value that unit. */

const UNITS: Record<string, string> = {
  s: "s",
  min: "min",
  minutes: "min",
  h: "h",
  hours: "h",
  days: "d",
  m: "m",
  km: "km",
  kg: "kg",
  t: "t",
};

/** The unit that the name says, as a key of the words: `unit.h`; null where it says none. */
export function unitOf(name: string): `unit.${"s" | "min" | "h" | "d" | "m" | "km" | "kg" | "t"}` | null {
  const last = name.split("_").at(-1) ?? "";
  const unit = Object.hasOwn(UNITS, last) && (name.includes("_") || last.length > 1) ? UNITS[last] : undefined;
  return unit === undefined ? null : (`unit.${unit}` as ReturnType<typeof unitOf>);
}

/** Four digits that count, which is more than anybody reads; the whole value stands where it is changed. */
export function brief(value: unknown, language: string): string {
  if (typeof value === "number")
    return value.toLocaleString(language, { maximumSignificantDigits: 4, useGrouping: "min2" }).replace(/^-/, "−");
  if (Array.isArray(value)) return value.map((one) => brief(one, language)).join(language === "en" ? ", " : "、");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A value as it is written and read back, with all its digits. */
export const whole = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
