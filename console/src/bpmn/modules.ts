/**
 * The drawing tools cut down to what a plan can say: our own palette, context pad and rules, and the words of
 * bpmn-js in Chinese. Whatever else a file holds is shown, and refused by the check with its reason.
 */

import chinese from "bpmn-js-i18n/translations/zn";
import type { Language } from "../api/types";
import type { PlanKey, PlanWords } from "../plans/words";
import type { Element, Factory, Modeling, Registry, Selection } from "./diagram";
import { is } from "./diagram";

/** What a drawing may be made of, in the order of the palette. */
export interface Part {
  id: string;
  type: string;
  /** Attributes of the new shape. */
  with?: Record<string, unknown>;
  icon: string;
  word: PlanKey;
  group: "step" | "branch" | "event" | "note";
}

const TIMER = { eventDefinitionType: "bpmn:TimerEventDefinition" };

export const PARTS: readonly Part[] = [
  { id: "task", type: "bpmn:UserTask", icon: "bpmn-icon-user-task", word: "part.task", group: "step" },
  { id: "message", type: "bpmn:SendTask", icon: "bpmn-icon-send-task", word: "part.message", group: "step" },
  {
    id: "decide",
    type: "bpmn:BusinessRuleTask",
    icon: "bpmn-icon-business-rule-task",
    word: "part.decide",
    group: "step",
  },
  { id: "call", type: "bpmn:CallActivity", icon: "bpmn-icon-call-activity", word: "part.call", group: "step" },
  {
    id: "wait",
    type: "bpmn:IntermediateCatchEvent",
    with: TIMER,
    icon: "bpmn-icon-intermediate-event-catch-timer",
    word: "part.wait",
    group: "step",
  },
  { id: "one", type: "bpmn:ExclusiveGateway", icon: "bpmn-icon-gateway-xor", word: "part.one", group: "branch" },
  { id: "all", type: "bpmn:ParallelGateway", icon: "bpmn-icon-gateway-parallel", word: "part.all", group: "branch" },
  { id: "some", type: "bpmn:InclusiveGateway", icon: "bpmn-icon-gateway-or", word: "part.some", group: "branch" },
  { id: "start", type: "bpmn:StartEvent", icon: "bpmn-icon-start-event-none", word: "part.start", group: "event" },
  { id: "end", type: "bpmn:EndEvent", icon: "bpmn-icon-end-event-none", word: "part.end", group: "event" },
  { id: "note", type: "bpmn:TextAnnotation", icon: "bpmn-icon-text-annotation", word: "part.note", group: "note" },
];

interface Shapes {
  createShape(attributes: Record<string, unknown>): Element;
}
interface Create {
  start(event: unknown, shape: Element | Element[], context?: unknown): void;
}
interface AutoPlace {
  append(element: Element, shape: Element): Element;
}
interface Connect {
  start(event: unknown, element: Element): void;
}
interface Flow extends Element {
  waypoints: { x: number; y: number }[];
}
interface Space {
  calculateAdjustments(
    elements: Element[],
    axis: "x",
    delta: number,
    start: number,
  ): { movingShapes: Element[]; resizingShapes: Element[] };
}
interface Shaping extends Modeling {
  createSpace(moving: Element[], resizing: Element[], delta: { x: number; y: number }, way: "e", start: number): void;
  appendShape(source: Element, shape: Element, at: { x: number; y: number }, parent: Element): Element;
  reconnectStart(flow: Element, source: Element, at: { x: number; y: number }): void;
  createShape(shape: Element, at: { x: number; y: number }, parent: Element, hints?: { attach?: boolean }): Element;
}

/** What the panel beside the drawing does with it, so that nothing needs a mouse. */
export interface Hands {
  make(part: Part): Element;
  append(element: Element, part: Part): Element;
  tooLong(element: Element): Element;
  remove(element: Element): void;
  lane(element: Element, at: "top" | "bottom"): void;
}

export const mayAppend = (element: Element) =>
  is(element, "bpmn:FlowNode") && !is(element, "bpmn:EndEvent") && element.labelTarget === undefined;
export const mayTime = (element: Element) => is(element, "bpmn:UserTask") || is(element, "bpmn:CallActivity");

/** What a new part begins with: a task has times already, which one then changes. */
const BEGINS: Record<string, Record<string, unknown>> = {
  "bpmn:UserTask": { "ch:acceptWithin": "PT30M", "ch:due": "PT3H" },
};

const STEP_WIDE = 150;

function HandsOf(
  this: Hands,
  shapes: Shapes,
  factory: Factory,
  autoPlace: AutoPlace,
  modeling: Shaping,
  selection: Selection,
  space: Space,
  registry: Registry,
) {
  this.make = (part) =>
    shapes.createShape({
      type: part.type,
      ...part.with,
      ...(BEGINS[part.type] ? { businessObject: factory.create(part.type, BEGINS[part.type]) } : {}),
    });
  this.append = (element, part) => {
    const [onward, ...more] = (element.outgoing ?? []).filter((flow) => is(flow, "bpmn:SequenceFlow"));
    // Where one way leads on from a step, the new part goes between; a fork and a timer get one more way.
    const between = onward !== undefined && more.length === 0 && part.type !== "bpmn:EndEvent" && !forks(element);
    const shape = this.make(part);
    if (!between || element.parent === undefined) {
      const added = autoPlace.append(element, shape);
      selection.select(added);
      return added;
    }
    const start = element.x + element.width + 10;
    const all = registry.filter(
      (one) => one.parent !== undefined && one.labelTarget === undefined && !("waypoints" in one),
    );
    const { movingShapes, resizingShapes } = space.calculateAdjustments(all, "x", STEP_WIDE, start);
    modeling.createSpace(movingShapes, resizingShapes, { x: STEP_WIDE, y: 0 }, "e", start);
    const at = { x: element.x + element.width + 50 + shape.width / 2, y: element.y + element.height / 2 };
    const added = modeling.appendShape(element, shape, at, element.parent);
    modeling.reconnectStart(onward as Flow, added, { x: added.x + added.width, y: added.y + added.height / 2 });
    selection.select(added);
    return added;
  };
  this.tooLong = (element) => {
    const shape = shapes.createShape({ type: "bpmn:BoundaryEvent", cancelActivity: false, ...TIMER });
    const at = { x: element.x + element.width * 0.75, y: element.y + element.height };
    const added = modeling.createShape(shape, at, element, { attach: true });
    selection.select(added);
    return added;
  };
  this.remove = (element) => modeling.removeElements([element]);
  this.lane = (element, at) => {
    modeling.addLane(element, at);
  };
}
HandsOf.$inject = [
  "elementFactory",
  "bpmnFactory",
  "autoPlace",
  "modeling",
  "selection",
  "spaceTool",
  "elementRegistry",
];

const forks = (element: Element) => is(element, "bpmn:Gateway") || is(element, "bpmn:BoundaryEvent");

interface Entry {
  group: string;
  className: string;
  title: string;
  action: Record<string, (event: unknown, element: Element) => void>;
}

/** The modules of the editor in one language. */
export function modules(words: PlanWords): Record<string, unknown>[] {
  const { p, language } = words;

  function Palette(
    this: { getPaletteEntries: () => Record<string, Entry> },
    palette: { registerProvider(provider: unknown): void },
    create: Create,
    hands: Hands,
    connect: { start(event: unknown): void },
    lasso: { activateSelection(event: unknown): void },
  ) {
    palette.registerProvider(this);
    this.getPaletteEntries = () => {
      const entries: Record<string, Entry> = {
        connect: {
          group: "tools",
          className: "bpmn-icon-connection-multi",
          title: p("part.connect"),
          action: { click: (event) => connect.start(event) },
        },
        lasso: {
          group: "tools",
          className: "bpmn-icon-lasso-tool",
          title: p("part.lasso"),
          action: { click: (event) => lasso.activateSelection(event) },
        },
      };
      for (const part of PARTS) {
        const begin = (event: unknown) => create.start(event, hands.make(part));
        entries[part.id] = {
          group: part.group,
          className: part.icon,
          title: p(part.word),
          action: { dragstart: begin, click: begin },
        };
      }
      return entries;
    };
  }
  Palette.$inject = ["palette", "create", "hands", "globalConnect", "lassoTool"];

  function Pad(
    this: { getContextPadEntries: (element: Element) => Record<string, Entry> },
    pad: { registerProvider(provider: unknown): void },
    hands: Hands,
    connect: Connect,
    modeling: Modeling,
  ) {
    pad.registerProvider(this);
    this.getContextPadEntries = (element) => {
      const entries: Record<string, Entry> = {};
      const add = (id: string, group: string, className: string, title: PlanKey, act: Entry["action"][string]) => {
        entries[id] = { group, className, title: p(title), action: { click: act } };
      };
      const label = element.labelTarget !== undefined;
      if (mayAppend(element))
        for (const part of PARTS)
          if (part.group !== "note" && part.id !== "start" && part.id !== "some" && part.id !== "call")
            entries[part.id] = {
              group: "model",
              className: part.icon,
              title: p("part.then", { part: p(part.word) }),
              action: { click: (_, at) => void hands.append(at, part) },
            };
      if (mayTime(element))
        add("too-long", "edit", "bpmn-icon-intermediate-event-catch-non-interrupting-timer", "part.tooLong", (_, at) =>
          hands.tooLong(at),
        );
      if (is(element, "bpmn:Lane") || is(element, "bpmn:Participant"))
        add("lane", "edit", "bpmn-icon-lane-insert-below", "part.lane", (_, at) => hands.lane(at, "bottom"));
      if (!label && (is(element, "bpmn:FlowNode") || is(element, "bpmn:TextAnnotation")))
        entries.connect = {
          group: "connect",
          className: "bpmn-icon-connection-multi",
          title: p("part.connect"),
          action: {
            click: (event, at) => connect.start(event, at),
            dragstart: (event, at) => connect.start(event, at),
          },
        };
      if (!is(element, "bpmn:Participant"))
        add("delete", "edit", "bpmn-icon-trash", "part.delete", (_, at) => modeling.removeElements([at]));
      return entries;
    };
  }
  Pad.$inject = ["contextPad", "hands", "connect", "modeling"];

  const nothing = () => undefined;
  return [
    {
      __init__: ["hands"],
      hands: ["type", HandsOf],
      paletteProvider: ["type", Palette],
      contextPadProvider: ["type", Pad],
      // A kind is chosen in the panel beside the drawing, in words.
      replaceMenuProvider: [
        "value",
        { getPopupMenuEntries: () => ({}), getPopupMenuHeaderEntries: () => ({}), nothing },
      ],
      translate: ["value", translator(language)],
    },
  ];
}

/** The few texts of bpmn-js itself that can still be seen. */
const OURS: Record<string, string> = {
  "Search in diagram": "在图中查找",
  "{count} elements": "{count} 个图形",
};

function translator(language: Language) {
  const dictionary: Record<string, string> = language === "en" ? {} : { ...chinese, ...OURS };
  return (template: string, values: Record<string, string> = {}) =>
    (dictionary[template] ?? template).replace(/\{([^}]+)\}/g, (place, name: string) => values[name] ?? place);
}
