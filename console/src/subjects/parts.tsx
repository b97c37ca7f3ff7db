/** Small parts that the pages of subjects share. */

import { Link } from "wouter";
import { useMay } from "../api/queries";
import type { Evidence, ShortSubject, Why } from "./types";
import { useSubjectWords } from "./words";
import "./subjects.css";

export function Tabs({ at }: { at: "subjects" | "reviews" }) {
  const { s } = useSubjectWords();
  const may = useMay("subject.review");
  if (!may) return null;
  return (
    <nav className="tabs subject-tabs" aria-label={s("tabs.label")}>
      {(["subjects", "reviews"] as const).map((one) => (
        <Link
          key={one}
          href={one === "subjects" ? "/subjects" : "/subjects/reviews"}
          aria-current={at === one ? "page" : undefined}
        >
          {s(`tabs.${one}`)}
        </Link>
      ))}
    </nav>
  );
}

/** What a subject is called: its name, else its first identifier, else that there is none to see. */
export function useCalled() {
  const { s } = useSubjectWords();
  return (one: { name: string | null; identifiers: { value: string }[] }) =>
    one.name ?? one.identifiers[0]?.value ?? s("nameless");
}

export const path = (id: string) => `/subjects/${encodeURIComponent(id)}`;

export function SubjectLink({ of }: { of: ShortSubject }) {
  const called = useCalled();
  return <Link href={path(of.id)}>{called(of)}</Link>;
}

export function EvidenceList({ of }: { of: Evidence[] }) {
  const { s, say, number } = useSubjectWords();
  if (of.length === 0) return null;
  return (
    <ul className="evidence" aria-label={s("reviews.evidence")}>
      {of.map((one) => (
        <li key={one.name} data-sign={one.points < 0 ? "against" : "for"}>
          <span className="points">{`${one.points < 0 ? "−" : "+"}${number(Math.abs(one.points), 1)}`}</span>
          {say(one.title)}
        </li>
      ))}
    </ul>
  );
}

export function WhyHere({ of }: { of: Why }) {
  const { s, say } = useSubjectWords();
  const beside = of.beside?.name ?? of.beside?.address ?? null;
  return (
    <div className="why-here">
      <span>{say(of.title)}</span>
      {beside !== null && <span className="quiet">{s("one.beside", { name: beside })}</span>}
      {!of.by.startsWith("system:") && <span className="quiet">{s("one.by", { by: of.by })}</span>}
      <EvidenceList of={of.evidence} />
    </div>
  );
}
