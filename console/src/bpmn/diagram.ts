/** The few services of bpmn-js that we use, with the shapes that we use of them. */

export interface Business {
  $type: string;
  id: string;
  name?: string;
  $attrs?: Record<string, string>;
  $parent?: Business;
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  [field: string]: unknown;
}

export interface Element {
  id: string;
  type: string;
  businessObject: Business;
  parent?: Element;
  host?: Element;
  labelTarget?: Element;
  children?: Element[];
  incoming?: Element[];
  outgoing?: Element[];
  source?: Element;
  target?: Element;
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Canvas {
  zoom(level?: number | "fit-viewport", centre?: "auto" | null): number;
  viewbox(box?: Box): Box & { inner: Box; outer: { width: number; height: number }; scale: number };
  addMarker(element: string, marker: string): void;
  removeMarker(element: string, marker: string): void;
  getRootElement(): Element;
  scrollToElement(element: string | Element, padding?: number): void;
  resized(): void;
  getContainer(): HTMLElement;
}

export interface Registry {
  get(id: string): Element | undefined;
  filter(keep: (element: Element) => boolean): Element[];
  getAll(): Element[];
}

export interface Overlays {
  add(
    element: string,
    type: string,
    overlay: {
      html: HTMLElement;
      position: { top?: number; left?: number; right?: number; bottom?: number };
      scale?: boolean;
    },
  ): string;
  remove(filter: { type: string } | { element: string; type: string }): void;
}

export interface Bus {
  on(event: string | string[], listener: (event: never) => void): void;
  off(event: string | string[], listener: (event: never) => void): void;
  fire(event: string, payload?: unknown): void;
}

export interface Selection {
  get(): Element[];
  select(element: Element | Element[] | null): void;
}

export interface Modeling {
  updateProperties(element: Element, properties: Record<string, unknown>): void;
  updateModdleProperties(element: Element, moddle: Business, properties: Record<string, unknown>): void;
  updateLabel(element: Element, label: string): void;
  removeElements(elements: Element[]): void;
  addLane(lane: Element, at: "top" | "bottom"): Element;
  splitLane(lane: Element, count: number): void;
  moveElements(elements: Element[], delta: { x: number; y: number }, target?: Element): void;
}

export interface Factory {
  create(type: string, attributes?: Record<string, unknown>): Business;
}

export interface CommandStack {
  canUndo(): boolean;
  canRedo(): boolean;
  undo(): void;
  redo(): void;
}

export interface Services {
  canvas: Canvas;
  elementRegistry: Registry;
  overlays: Overlays;
  eventBus: Bus;
  selection: Selection;
  modeling: Modeling;
  bpmnFactory: Factory;
  commandStack: CommandStack;
  bpmnReplace: { replaceElement(element: Element, target: Record<string, unknown>): Element };
}

/** What both the viewer and the modeler offer. */
export interface Diagram {
  get<Name extends keyof Services>(name: Name): Services[Name];
  importXML(xml: string): Promise<{ warnings: string[] }>;
  saveXML(options: { format: boolean }): Promise<{ xml?: string }>;
  attachTo(node: HTMLElement): void;
  destroy(): void;
}

export const is = (element: { businessObject: Business } | Business, type: string): boolean => {
  const business = "businessObject" in element ? (element.businessObject as Business) : (element as Business);
  const test = (business as unknown as { $instanceOf?: (type: string) => boolean }).$instanceOf;
  return test === undefined ? business.$type === type : test.call(business, type);
};
