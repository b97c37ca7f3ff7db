/** What several plan pages show: what a plan answers, how long it is valid, who published it, what a draft waits for. */

import { Link } from "wouter";
import { useSession } from "../api/queries";
import type { Level, Person } from "../api/types";
import { useKindTitle } from "../knowledge/kinds";
import { Severity } from "../ui/Severity";
import { Moment } from "../ui/Time";
import type { Draft, PlanVersion } from "./types";
import { usePlanWords } from "./words";

export function PlanTabs({ at }: { at: "plans" | "decisions" }) {
  const { p } = usePlanWords();
  return (
    <nav className="tabs line" aria-label={p("library.tabs")}>
      <Link href="/plans" aria-current={at === "plans" ? "page" : undefined}>
        {p("library.title")}
      </Link>
      <Link href="/plans/decisions" aria-current={at === "decisions" ? "page" : undefined}>
        {p("tables.title")}
      </Link>
    </nav>
  );
}

/** Who it was: a name where the city gives one, oneself as oneself. */
export function usePersonWords(): (person: Person | string | null) => string {
  const { p, say } = usePlanWords();
  const me = useSession().data?.actor.id;
  return (person) => {
    if (person === null) return "";
    const id = typeof person === "string" ? person : person.id;
    if (id === me) return p("person.me");
    if (id.startsWith("system:")) return p("published.withCity");
    return typeof person === "string" ? person : say(person.name) || id;
  };
}

export function AppliesTo({ kind, levels }: { kind: string | null; levels: readonly Level[] }) {
  const { p } = usePlanWords();
  const title = useKindTitle();
  if (kind === null) return <span className="quiet">{p("library.byHand")}</span>;
  return (
    <span className="line">
      {levels.map((level) => (
        <Severity key={level} level={level} />
      ))}
      <span title={kind}>{title(kind)}</span>
    </span>
  );
}

export function Validity({ from, until }: { from: string | null; until: string | null }) {
  const { p } = usePlanWords();
  if (from === null && until === null) return <span className="quiet">{p("valid.always")}</span>;
  if (until === null) return <>{p("valid.from", { from: from ?? "" })}</>;
  if (from === null) return <>{p("valid.until", { until })}</>;
  return <>{p("valid.between", { from, until })}</>;
}

export function Published({ version }: { version: PlanVersion }) {
  const by = usePersonWords()(version.published_by);
  return (
    <>
      <Moment at={version.published_at} />
      {by !== "" && <div className="quiet">{by}</div>}
    </>
  );
}

/** The state, and for whoever looks what they can do about it. */
export function DraftStateWord({ draft, me }: { draft: Draft; me: string | undefined }) {
  const { p } = usePlanWords();
  const mine = draft.authors.some((one) => (typeof one === "string" ? one : one.id) === me);
  return (
    <span
      className="tag"
      data-tone={draft.state === "submitted" ? "accent" : draft.state === "rejected" ? "late" : undefined}
    >
      {p(`draftState.${draft.state}`)}
      {draft.state === "submitted" && ` · ${p(mine ? "draft.needsOther" : "draft.needsYou")}`}
    </span>
  );
}
