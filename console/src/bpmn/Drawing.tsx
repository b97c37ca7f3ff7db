/**
 * A plan as it is drawn, to look at. What stands in it also stands in a table beside it: the drawing itself cannot be
 * read aloud. Steps may be marked (changed, late, done …) with a word at their corner.
 */

import NavigatedViewer from "bpmn-js/lib/NavigatedViewer";
import { useEffect, useMemo, useRef, useState } from "react";
import "bpmn-js/dist/assets/diagram-js.css";
import "bpmn-js/dist/assets/bpmn-js.css";
import "./bpmn.css";
import { useDepartments } from "../api/queries";
import { useKindTitle } from "../knowledge/kinds";
import { usePlanWords } from "../plans/words";
import { Empty } from "../ui/states";
import type { Diagram, Element } from "./diagram";
import { stepOf } from "./fields";
import { PAINT, PLAIN } from "./paint";
import { spoken } from "./spoken";
import { Zoom } from "./Zoom";

export type Tone = "added" | "removed" | "changed" | "done" | "open" | "late" | "waiting" | "skipped" | "wrong";

export interface Mark {
  tone: Tone;
  /** Shown at the corner of the step. */
  word: string;
}

export interface DrawingProps {
  xml: string;
  /** What the drawing is of, for who cannot see it. */
  label: string;
  marks?: ReadonlyMap<string, Mark>;
  chosen?: string | null;
  choose?: (step: string | null) => void;
  /** At most so many pixels high. */
  most?: number;
}

export default function Drawing({ xml: written, label, marks, chosen = null, choose, most: limit }: DrawingProps) {
  const words = usePlanWords();
  const { p } = words;
  const departments = useDepartments().data;
  const kind = useKindTitle();
  const xml = useMemo(
    () =>
      spoken(written, {
        ...words,
        departments,
        kind,
      }),
    [written, words, departments, kind],
  );
  const box = useRef<HTMLDivElement>(null);
  const [diagram, setDiagram] = useState<Diagram | null>(null);
  const [steps, setSteps] = useState<ReadonlyMap<string, string[]>>(new Map());
  const [failed, setFailed] = useState<string | null>(null);
  const choosing = useRef(choose);
  choosing.current = choose;
  const most = useRef(limit);

  useEffect(() => {
    if (box.current === null) return;
    let gone = false;
    const viewer = new NavigatedViewer({
      container: box.current,
      additionalModules: [PLAIN],
      ...PAINT,
    } as never) as unknown as Diagram;
    const canvas = viewer.get("canvas");
    setFailed(null);
    viewer
      .importXML(xml)
      .then(() => {
        if (gone) return;
        const found = new Map<string, string[]>();
        for (const element of viewer.get("elementRegistry").getAll()) {
          const step = element.labelTarget === undefined ? stepOf(element) : null;
          if (step !== null) found.set(step, [...(found.get(step) ?? []), element.id]);
        }
        if (box.current?.parentElement)
          box.current.parentElement.style.height = `${wanted(viewer, most.current ?? window.innerHeight * 0.72)}px`;
        showAll(viewer);
        setSteps(found);
        setDiagram(viewer);
      })
      .catch((error: unknown) => {
        if (!gone) setFailed(error instanceof Error ? error.message : String(error));
      });
    viewer.get("eventBus").on("element.click", ((event: { element: Element }) => {
      choosing.current?.(stepOf(event.element.labelTarget ?? event.element));
    }) as (event: never) => void);
    const sized = new ResizeObserver(() => canvas.resized());
    sized.observe(box.current);
    return () => {
      gone = true;
      sized.disconnect();
      setDiagram(null);
      viewer.destroy();
    };
  }, [xml]);

  useEffect(() => {
    if (diagram === null || marks === undefined) return;
    const canvas = diagram.get("canvas");
    const overlays = diagram.get("overlays");
    const set: [string, string][] = [];
    for (const [step, { tone, word }] of marks)
      for (const element of steps.get(step) ?? []) {
        canvas.addMarker(element, `at-${tone}`);
        set.push([element, `at-${tone}`]);
        const html = document.createElement("div");
        html.className = "corner";
        html.dataset.tone = tone;
        html.textContent = word;
        overlays.add(element, "mark", { html, position: { top: -9, left: 6 } });
      }
    return () => {
      overlays.remove({ type: "mark" });
      for (const [element, marker] of set) unmark(diagram, element, marker);
    };
  }, [diagram, marks, steps]);

  useEffect(() => {
    if (diagram === null || chosen === null) return;
    const elements = steps.get(chosen) ?? [];
    const canvas = diagram.get("canvas");
    for (const element of elements) canvas.addMarker(element, "at-chosen");
    return () => {
      for (const element of elements) unmark(diagram, element, "at-chosen");
    };
  }, [diagram, chosen, steps]);

  return (
    <section className="drawing" aria-label={label} data-testid="drawing" data-ready={diagram !== null}>
      {diagram !== null && <Zoom diagram={diagram} />}
      <div ref={box} className="canvas" />
      {failed !== null && (
        <Empty title={p("drawing.failed")}>
          <span>{p("drawing.failedRemedy")}</span>
          <span className="mono">{failed}</span>
        </Empty>
      )}
    </section>
  );
}

/** Takes a mark away, unless the drawing has been closed meanwhile. */
function unmark(diagram: Diagram, element: string, marker: string) {
  if (diagram.get("elementRegistry").get(element)) diagram.get("canvas").removeMarker(element, marker);
}

/** The smallest scale at which the words of a step can be read without effort. */
const READABLE = 0.8;

/**
 * Shows a drawing when it is opened: all of it where that can be read, else from its upper left corner as wide as it
 * goes. Never larger than it is drawn. With `whole`, all of it however small.
 */
export function showAll(diagram: Diagram, whole = false) {
  const canvas = diagram.get("canvas");
  canvas.resized();
  const { inner, outer } = canvas.viewbox();
  if (outer.width === 0 || outer.height === 0) return;
  // The palette of the editor lies over the left of it.
  const palette = canvas.getContainer().querySelector(".djs-palette.open")?.getBoundingClientRect().width ?? 0;
  const free = outer.width - (palette > 0 ? palette + 12 : 0);
  const wide = free / (inner.width + 40);
  const both = Math.min(wide, outer.height / (inner.height + 72));
  const scale = Math.min(1, whole || both >= READABLE ? both : Math.max(wide, READABLE));
  const room = { width: outer.width / scale, height: outer.height / scale };
  canvas.viewbox({
    x:
      free / scale > inner.width + 40
        ? inner.x - (free / scale - inner.width) / 2 - (outer.width - free) / scale
        : inner.x - 20 - (outer.width - free) / scale,
    y: room.height > inner.height + 72 ? inner.y - (room.height - inner.height) / 2 : inner.y - 52,
    ...room,
  });
}

/** How high a drawing wants to be in a page: its own height where that is little, most of the window at most. */
function wanted(diagram: Diagram, most: number): number {
  const { inner, outer } = diagram.get("canvas").viewbox();
  const scale = Math.min(1, Math.max(READABLE, outer.width / (inner.width + 40)));
  return Math.round(Math.min(most, Math.max(220, inner.height * scale + 72)));
}
