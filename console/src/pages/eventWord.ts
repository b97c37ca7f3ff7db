import type { Key } from "../i18n";
import { zhCN } from "../i18n/zh-CN";

/** An event type in words where the dictionary has them, else as the code it is. */
export function eventWord(type: string, t: (key: Key) => string): string {
  const key = `event.${type}`;
  return key in zhCN ? t(key as Key) : type;
}
