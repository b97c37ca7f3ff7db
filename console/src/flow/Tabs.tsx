import { Link } from "wouter";
import { useMay } from "../api/queries";
import { useFlowWords } from "./words";
import "./flow.css";

const PLACES = [
  ["flow", "source.read"],
  ["sources", "source.read"],
  ["quarantine", "quarantine.read"],
  ["catalogue", "dataset.read"],
] as const;

export function Tabs({ at }: { at: (typeof PLACES)[number][0] }) {
  const { f } = useFlowWords();
  const may = {
    "source.read": useMay("source.read"),
    "quarantine.read": useMay("quarantine.read"),
    "dataset.read": useMay("dataset.read"),
  };
  return (
    <nav className="tabs flow-tabs" aria-label={f("tabs.label")}>
      {PLACES.filter(([, permission]) => may[permission]).map(([place]) => (
        <Link key={place} href={`/${place}`} aria-current={at === place ? "page" : undefined}>
          {f(`tabs.${place}`)}
        </Link>
      ))}
    </nav>
  );
}
