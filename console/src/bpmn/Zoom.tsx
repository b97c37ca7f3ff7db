/** Nearer, farther, all of it. */

import { usePlanWords } from "../plans/words";
import { showAll } from "./Drawing";
import type { Diagram } from "./diagram";

export function Zoom({ diagram }: { diagram: Diagram }) {
  const { p } = usePlanWords();
  const canvas = diagram.get("canvas");
  const step = (factor: number) => canvas.zoom(Math.min(3, Math.max(0.15, canvas.zoom() * factor)), "auto");
  return (
    <div className="drawing-tools">
      <button type="button" aria-label={p("drawing.nearer")} title={p("drawing.nearer")} onClick={() => step(1.25)}>
        +
      </button>
      <button type="button" aria-label={p("drawing.farther")} title={p("drawing.farther")} onClick={() => step(0.8)}>
        −
      </button>
      <button type="button" onClick={() => showAll(diagram, true)}>
        {p("drawing.whole")}
      </button>
    </div>
  );
}
