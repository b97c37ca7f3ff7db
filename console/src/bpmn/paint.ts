/** Drawings in the console's colours: the page's own variables, so that a change of theme repaints them by itself. */

import { FONTS } from "../ui/theme";
import type { Element } from "./diagram";

function Plain(
  bus: { on(event: string, listener: (event: { element: Element }) => void): void },
  canvas: { addMarker(element: Element, marker: string): void },
) {
  bus.on("shape.added", ({ element }) => {
    if (element.type === "bpmn:UserTask") canvas.addMarker(element, "plain-task");
  });
}
Plain.$inject = ["eventBus", "canvas"];

/** Tasks of departments without the little figure that BPMN gives them. */
export const PLAIN = { __init__: ["plainTasks"], plainTasks: ["type", Plain] };

export const PAINT = {
  bpmnRenderer: {
    defaultFillColor: "var(--surface)",
    defaultStrokeColor: "var(--drawing-line)",
    defaultLabelColor: "var(--ink)",
  },
  textRenderer: {
    // Lines are broken by measuring, which needs the font by name.
    defaultStyle: { fontFamily: FONTS, fontSize: 12, lineHeight: 1.25 },
    externalStyle: { fontSize: 12 },
  },
};
