/** What to tell a person when the city refused something, had a fault, or was not there: in the reader's language. */

import { Problem } from "../api/client";
import type { Text } from "../api/types";
import type { Words } from "../i18n";

export interface Told {
  title: string;
  /** What else the city said, in its own words. */
  detail: string | null;
  /** What to do about it. */
  remedy: string | null;
  /** For whoever is asked for help. */
  code: string | null;
}

/** What is missing, as the city names it beside a refusal. */
interface Needs {
  permission: string;
  title: Text;
  /** Of the whole city, or of one department that may be another than one's own. */
  scope: "anywhere" | "everywhere" | "department";
  roles: Text[];
}

const NEEDS = {
  anywhere: "state.needs",
  everywhere: "state.needsEverywhere",
  department: "state.needsDepartment",
} as const;

/** A part of the program did not come: the city is away, or serves a newer console than the one that is open. */
export const partMissing = (error: unknown) =>
  error instanceof Error &&
  /dynamically imported module|Importing a module script failed|Unable to preload CSS/.test(error.message);

export function told(error: unknown, { t, say }: Words): Told {
  if (partMissing(error)) return { title: t("state.part"), detail: null, remedy: t("state.partRemedy"), code: null };
  if (!(error instanceof Problem))
    return { title: t("state.broken"), detail: null, remedy: t("state.brokenRemedy"), code: String(error) };
  const { status, detail, remedy } = error;
  const code = `${status} · ${error.code}`;
  if (status === 0)
    return {
      title: t(error.code === "timeout" ? "state.timeout" : "state.unreachable"),
      detail: null,
      remedy,
      code: null,
    };
  if (status >= 500 && error.code !== "unavailable")
    return { title: t("state.fault"), detail: null, remedy: remedy ?? t("state.faultRemedy"), code };
  if (status === 401) return { title: t("state.loggedOut"), detail: null, remedy: null, code: null };
  if (status === 403) {
    const needs = error.more.needs as Needs | undefined;
    if (needs === undefined)
      return { title: t("state.forbidden"), detail, remedy: remedy ?? t("state.forbiddenRemedy"), code };
    const what = t(NEEDS[needs.scope], { permission: say(needs.title) });
    const roles = needs.roles.map((role) => say(role)).join(t("listComma"));
    return {
      title: t("state.forbidden"),
      detail: what,
      remedy: t("state.givenBy", { roles }),
      code: `${status} · ${needs.permission}`,
    };
  }
  if (status === 404) return { title: t("state.missing"), detail, remedy: remedy ?? t("state.missingRemedy"), code };
  return { title: t("state.refused"), detail, remedy, code };
}
