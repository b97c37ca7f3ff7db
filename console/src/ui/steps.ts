/** How a step says what it waits for. */

import type { Words } from "../i18n";

/** Which steps come before: by title while they are few. */
export function afterWords(after: readonly string[], titles: ReadonlyMap<string, string>, t: Words["t"]): string {
  if (after.length > 2) return t("step.afterMany", { n: after.length });
  return t("step.after", { steps: after.map((id) => titles.get(id) ?? id).join(t("step.and")) });
}
