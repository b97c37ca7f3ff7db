import type { Cell } from "../api/types";
import { labelOf } from "../ui/Cell";
import type { Declared } from "./types";
import { type FlowKey, useFlowWords } from "./words";
import { zh } from "./words.zh";

/** What the contract asks of a field, in words: its type, its unit, its bounds. */
export function Rules({ of }: { of: Declared }) {
  const { f, say, code } = useFlowWords();
  const one = (value: Cell) => {
    const label = say(labelOf(value, of.labels));
    return label && label !== String(value) ? f("rule.label", { value: String(value), label }) : String(value);
  };
  const plain = (value: Cell | Cell[]) => (Array.isArray(value) ? value.map(one).join(" · ") : String(value));
  const rules = Object.entries(of.rules)
    .filter(([name]) => `rule.${name}` in zh)
    .map(([name, value]) => f(`rule.${name}` as FlowKey, { v: plain(value) }));
  return (
    <>
      {code("type", of.type)}
      {of.unit && <span className="quiet"> ({of.unit})</span>}
      {rules.length > 0 && <span> · {rules.join(" · ")}</span>}
    </>
  );
}
