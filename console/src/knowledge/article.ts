/** The place of a clause in a law, as its readers write it: 第九十六条第一款, or Art. 96 para. 1. */

import type { Language } from "../api/types";

const DIGITS = "零一二三四五六七八九";
const UNITS: Record<string, number> = { 十: 10, 百: 100, 千: 1000 };
const PARTS: Record<string, string> = { 条: "Art.", 款: "para.", 项: "item", 章: "ch.", 节: "sec." };

/** 一百零三 is 103; what is no such number stays what it is. */
export function counted(words: string): string {
  if (/^\d+$/.test(words)) return words;
  let sum = 0;
  let digit = 0;
  for (const sign of words) {
    const unit = UNITS[sign];
    if (unit !== undefined) {
      sum += (digit || 1) * unit;
      digit = 0;
    } else {
      const value = sign === "〇" ? 0 : DIGITS.indexOf(sign);
      if (value < 0) return words;
      digit = value;
    }
  }
  return String(sum + digit);
}

export function article(words: string, language: Language): string {
  if (language !== "en") return words;
  const said = words.replace(
    /第[（(]?([〇零一二三四五六七八九十百千\d]+)[）)]?([条款项章节])(?:之([一二三四五六七八九十]+))?/g,
    (_, number: string, part: string, more: string | undefined) =>
      ` ${PARTS[part]} ${counted(number)}${more === undefined ? "" : `-${counted(more)}`}`,
  );
  return said.replace(/（([一二三四五六七八九十]+)）/g, (_, number: string) => ` (${counted(number)})`).trim();
}
