import { Link } from "wouter";
import "./knowledge.css";
import { usePageWords } from "./pages";

export function Tabs({ at }: { at: "cases" | "clauses" }) {
  const { p } = usePageWords();
  return (
    <nav className="tabs known-tabs" aria-label={p("tabs.label")}>
      {(["cases", "clauses"] as const).map((one) => (
        <Link key={one} href={`/${one}`} aria-current={at === one ? "page" : undefined}>
          {p(`tabs.${one}`)}
        </Link>
      ))}
    </nav>
  );
}
