/** The tabs of a subject's page: what the city knows of it, and the pages that applications declare for its kind. */

import { Link as Anchor } from "wouter";
import { usePages } from "./queries";
import { useDeclaredWords } from "./words";
import "./declared.css";

export function SubjectTabs({ id, kind, at }: { id: string; kind: string; at: string | null }) {
  const { d, say } = useDeclaredWords();
  const pages = usePages().data?.filter(({ subject }) => subject.includes(kind)) ?? [];
  if (pages.length === 0) return null;
  const path = `/subjects/${encodeURIComponent(id)}`;
  return (
    <nav className="tabs declared-tabs" aria-label={d("tab.label")} data-testid="subject-pages">
      <Anchor href={path} aria-current={at === null ? "page" : undefined}>
        {d("tab.overview")}
      </Anchor>
      {pages.map((page) => (
        <Anchor
          key={page.id}
          href={`${path}?tab=${encodeURIComponent(page.id)}`}
          aria-current={at === page.id ? "page" : undefined}
        >
          {say(page.title)}
        </Anchor>
      ))}
    </nav>
  );
}
