/** The words of the palette in English. */

import type { zh } from "./words.zh";

export const en: Record<keyof typeof zh, string> = {
  title: "Find",
  placeholder: "Alerts, incidents, tasks, firms, plates, credit codes, sources, plans…",
  none: "Nothing found",
  noneWhy: "Try other words, or a part of a name or number. Only what you may see is found.",
  found: "{n} {n|result|results}",
  "kind.page": "Page",
  "kind.alert": "Alert",
  "kind.incident": "Incident",
  "kind.task": "Task",
  "kind.subject": "Subject",
  "kind.source": "Source",
  "kind.dataset": "Dataset",
  "kind.plan": "Plan",
  "keys.move": "move",
  "keys.go": "open",
  "keys.close": "close",
};
