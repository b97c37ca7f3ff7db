/** Drawings in the console's colours: the page's own variables, so that a change of theme repaints them by itself. */

export const PAINT = {
  bpmnRenderer: {
    defaultFillColor: "var(--surface)",
    defaultStrokeColor: "var(--drawing-line)",
    defaultLabelColor: "var(--ink)",
  },
  textRenderer: {
    defaultStyle: { fontFamily: "inherit", fontSize: "12px", lineHeight: 1.25 },
    externalStyle: { fontSize: "12px" },
  },
};
