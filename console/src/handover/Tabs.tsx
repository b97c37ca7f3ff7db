/** Who is on duty, what is handed over now, what was handed over: one place in the bar, three pages. */

import { Link } from "wouter";
import { useMay } from "../api/queries";
import { useHandoverWords } from "./words";
import "./handover.css";

const PLACES = [
  ["duty", "/duty", "duty.read"],
  ["now", "/handover", "handover.read"],
  ["log", "/handover/notes", "handover.read"],
] as const;

export function DutyTabs({ at }: { at: (typeof PLACES)[number][0] }) {
  const { h } = useHandoverWords();
  const may = { "duty.read": useMay("duty.read"), "handover.read": useMay("handover.read") };
  return (
    <nav className="tabs handover-tabs" aria-label={h("tab.label")}>
      {PLACES.filter(([, , permission]) => may[permission]).map(([place, path]) => (
        <Link key={place} href={path} aria-current={at === place ? "page" : undefined}>
          {h(`tab.${place}`)}
        </Link>
      ))}
    </nav>
  );
}
