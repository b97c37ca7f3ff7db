/** Units that applications declare, as each language writes them; what both write alike (t, kPa, µg/m³) stays as it is. */

import type { Language } from "../api/types";

const UNITS: Record<string, { "zh-CN": string; en: string }> = {
  人: { "zh-CN": "人", en: "people" },
  d: { "zh-CN": "天", en: "d" },
  h: { "zh-CN": "小时", en: "h" },
  min: { "zh-CN": "分", en: "min" },
  s: { "zh-CN": "秒", en: "s" },
};

export const unitWord = (unit: string, language: Language): string =>
  (Object.hasOwn(UNITS, unit) && UNITS[unit]?.[language]) || unit;
