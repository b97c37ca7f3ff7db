import { Link } from "wouter";
import "./knowledge.css";
import { useKnowledgeWords } from "./words";

export function Tabs({ at }: { at: "cases" | "clauses" }) {
  const { k } = useKnowledgeWords();
  return (
    <nav className="tabs known-tabs" aria-label={k("tabs.label")}>
      {(["cases", "clauses"] as const).map((one) => (
        <Link key={one} href={`/${one}`} aria-current={at === one ? "page" : undefined}>
          {k(`tabs.${one}`)}
        </Link>
      ))}
    </nav>
  );
}
