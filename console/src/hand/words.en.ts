import type { zh } from "./words.zh";

export const en: Record<keyof typeof zh, string> = {
  choose: "Choose files",
  drop: "or drop them here",
  remove: "Remove",
  send: "Hand over",
  stop: "Stop",
  close: "Close",
  landing: "checking and landing; this goes on when the window is closed",
  tooLarge: "Larger than {most}; it cannot be handed over here",
  stopped: "Stopped; nothing landed",
};
