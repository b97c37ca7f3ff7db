/**
 * What a drawing says in words of ours, read from and written to its elements: the one place of the console that knows
 * the attributes and extension elements of `https://cityheart.org/bpmn/1` (the city's own reader has the same).
 */

import type { Department, Text } from "../api/types";
import type { PlanHead } from "../plans/PlanForm";
import type { Variable } from "../plans/parts";
import type { AskedEvidence, Plain, Rung, Step } from "../plans/types";
import { type Business, type Diagram, type Element, is } from "./diagram";

const words = (names: readonly string[]) => names.map((name) => ({ name, isAttr: true, type: "String" }));
const TAKES = "bpmn:BaseElement";
const STEP = [
  "step",
  "order",
  "explicit",
  "delay",
  "watch",
  "zh",
  "en",
  "acceptWithin",
  "due",
  "verifyBy",
  "when",
  "from",
  "clock",
  "unit",
  "topic",
  "table",
  "decision",
  "loopGuard",
  "clauses",
];
const PLAN = ["plan", "drawn", "version", "validFrom", "validUntil", "kind", "levels", "sourceZh", "sourceEn"];
const EACH = ["as", "in"];

const part = (name: string, attributes: readonly string[], body = false) => ({
  name,
  superClass: ["Element"],
  properties: [...words(attributes), ...(body ? [{ name: "body", isBody: true, type: "String" }] : [])],
});

/** The namespace as bpmn-moddle wants it described: attributes on any element, and the extension elements. */
export const CH = {
  name: "CityHeart",
  uri: "https://cityheart.org/bpmn/1",
  prefix: "ch",
  xml: { tagAlias: "lowerCase" },
  associations: [],
  types: [
    {
      name: "Said",
      extends: [TAKES],
      properties: words([...new Set([...STEP, ...PLAN, ...EACH])]),
    },
    part("Escalate", ["at", "to"]),
    part("Evidence", ["kind", "min"], true),
    part("Sets", ["variable", "field"]),
    part("Payload", ["name", "value"]),
    part("Input", ["name", "value"]),
    part("Parameter", ["name", "value", "titleZh", "titleEn"]),
    part("Field", ["name"], true),
  ],
} as const;

const TASKS = ["bpmn:UserTask", "bpmn:SendTask", "bpmn:ServiceTask", "bpmn:BusinessRuleTask", "bpmn:CallActivity"];

/** A node that is a step of the plan: a task of any kind, another plan, or a wait. */
export const isStep = (element: Element): boolean =>
  element.labelTarget === undefined && (is(element, "bpmn:Task") || TASKS.some((type) => is(element, type)));

/** The step that an element of a drawing stands for. A timer that only delays the step behind it is none of its own. */
export function stepOf(element: Element): string | null {
  if (element.labelTarget !== undefined) return null;
  const wait = is(element, "bpmn:IntermediateCatchEvent") && !element.id.startsWith("Delay_");
  return isStep(element) || wait ? stepId(element.businessObject) : null;
}

/** The id of the step: the one given to it, else the element's own id spelled as the city spells it. */
const stepId = (business: Business): string =>
  text(business, "step") ??
  (/^[a-z0-9][a-z0-9-]{0,59}$/.test(business.id)
    ? business.id
    : business.id
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-+|-+$/g, "")
        .slice(0, 50)
        .replace(/-+$/, ""));

const text = (business: Business, name: string): string | null => {
  const value = business.get(`ch:${name}`);
  return typeof value === "string" && value !== "" ? value : null;
};

function parts(business: Business, type: string): Business[] {
  const outer = business.get("extensionElements") as Business | undefined;
  const all = (outer?.get("values") as Business[] | undefined) ?? [];
  return all.filter(({ $type }) => $type.toLowerCase() === `ch:${type}`.toLowerCase());
}

const attribute = (business: Business, name: string) => {
  const value = business.get(name);
  return typeof value === "string" ? value : value === undefined || value === null ? "" : String(value);
};

/** The value that was written: JSON where it is JSON, else the text itself. */
function readable(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    return written;
  }
}

const spelled = (value: unknown): string =>
  typeof value === "string" && value !== "" && readable(value) === value ? value : JSON.stringify(value);

function titleOf(business: Business): Text | undefined {
  const chinese = text(business, "zh") ?? business.name ?? "";
  const english = text(business, "en") ?? "";
  return chinese === "" && english === "" ? undefined : { "zh-CN": chinese, en: english };
}

export function readStep(element: Element): Step {
  const business = element.businessObject;
  const step: Step = { id: stepId(business), title: titleOf(business) };
  if (is(element, "bpmn:SendTask") || is(element, "bpmn:ServiceTask")) step.does = "message";
  else if (is(element, "bpmn:BusinessRuleTask")) step.does = "decide";
  else if (is(element, "bpmn:IntermediateCatchEvent")) step.does = "wait";
  else if (is(element, "bpmn:CallActivity")) {
    const called = business.get("calledElement");
    step.call = {
      plan: text(business, "plan") ?? (typeof called === "string" ? called : ""),
      version: text(business, "version"),
    };
  }
  step.unit = text(business, "unit") ?? laneUnit(element);
  step.accept_within = text(business, "acceptWithin");
  step.due = text(business, "due");
  step.verify_by = text(business, "verifyBy");
  step.when = text(business, "when");
  step.clock = text(business, "clock") === "working" ? "working" : "elapsed";
  step.topic = text(business, "topic");
  step.table = text(business, "table");
  step.clauses = text(business, "clauses")?.split(/\s+/) ?? [];
  step.escalate = parts(business, "Escalate").map<Rung>((one) => ({
    at: attribute(one, "at"),
    to: attribute(one, "to"),
  }));
  step.evidence = parts(business, "Evidence").map<AskedEvidence>((one) => {
    const schema = attribute(one, "body").trim();
    const kind = attribute(one, "kind") as AskedEvidence["kind"];
    const asked: AskedEvidence = { kind, min: Number(attribute(one, "min")) || 1 };
    if (schema !== "") {
      const read = readable(schema);
      if (typeof read === "object" && read !== null) asked.schema = read as NonNullable<AskedEvidence["schema"]>;
    }
    return asked;
  });
  step.payload = Object.fromEntries(
    parts(business, "Payload").map((one) => [attribute(one, "name"), readable(attribute(one, "value"))]),
  );
  step.sets = Object.fromEntries(
    parts(business, "Sets").map((one) => [attribute(one, "variable"), attribute(one, "field")]),
  );
  step.each = readEach(business);
  return step;
}

function readEach(business: Business): Step["each"] {
  const loop = business.get("loopCharacteristics") as Business | undefined | null;
  if (!loop) return null;
  const read = readable(text(loop, "in") ?? "");
  return { as: text(loop, "as") ?? "item", in: Array.isArray(read) ? (read as Plain[]) : String(read) };
}

/** The department of the lane a step lies in. */
function laneUnit(element: Element): string | null {
  const lane = laneOf(element);
  return lane === null ? null : (text(lane, "unit") ?? null);
}

function laneOf(element: Element): Business | null {
  const found = (element.businessObject.get("lanes") as Business[] | undefined)?.[0];
  return found ?? null;
}

export const readLane = (lane: Element): string | null => text(lane.businessObject, "unit");

export function writeLane(
  diagram: Diagram,
  lane: Element,
  unit: string | null,
  departments: readonly Department[] | undefined,
) {
  const title = departments?.find(({ code }) => code === unit)?.title;
  diagram.get("modeling").updateProperties(lane, {
    "ch:unit": unit ?? undefined,
    ...(title ? { name: title["zh-CN"] ?? unit, "ch:en": title.en } : {}),
  });
}

const ATTRIBUTES: Partial<Record<keyof Step, string>> = {
  accept_within: "acceptWithin",
  due: "due",
  verify_by: "verifyBy",
  when: "when",
  topic: "topic",
  table: "table",
};

/**
 * The department of a step is the lane it lies in: the step moves into the department's lane, which is added when there
 * is none. What is decided on the way ($name), and a drawing without lanes, say it on the step itself.
 */
export function writeUnit(
  diagram: Diagram,
  element: Element,
  unit: string | null,
  departments: readonly Department[] | undefined,
) {
  const modeling = diagram.get("modeling");
  const registry = diagram.get("elementRegistry");
  const participant = registry.filter((one) => is(one, "bpmn:Participant"))[0];
  const say = (value: string | null) => modeling.updateProperties(element, { "ch:unit": value ?? undefined });
  if (unit === null || unit.startsWith("$") || participant === undefined) {
    say(unit);
    return;
  }
  const lanes = () =>
    registry.filter((one) => is(one, "bpmn:Lane") && one.labelTarget === undefined).sort((a, b) => a.y - b.y);
  let lane = lanes().find((one) => readLane(one) === unit);
  if (lane === undefined) {
    // A lane that nobody has been named for yet is taken first.
    lane = lanes().find((one) => readLane(one) === null) ?? modeling.addLane(lanes().at(-1) ?? participant, "bottom");
    writeLane(diagram, lane, unit, departments);
  }
  if (text(element.businessObject, "unit") !== null) say(null);
  const delta = lane.y + lane.height / 2 - (element.y + element.height / 2);
  if (Math.abs(delta) > 1) modeling.moveElements([element], { x: 0, y: delta }, participant);
}

export function writeStep(diagram: Diagram, element: Element, change: Partial<Step>) {
  const modeling = diagram.get("modeling");
  const factory = diagram.get("bpmnFactory");
  const properties: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(change) as [keyof Step, unknown][]) {
    const name = ATTRIBUTES[field];
    if (name !== undefined) properties[`ch:${name}`] = value === null || value === "" ? undefined : value;
  }
  if (change.title !== undefined) {
    properties.name = change.title["zh-CN"];
    properties["ch:en"] = change.title.en || undefined;
  }
  if (change.clock !== undefined) properties["ch:clock"] = change.clock === "working" ? "working" : undefined;
  if (change.clauses !== undefined)
    properties["ch:clauses"] = change.clauses.length === 0 ? undefined : change.clauses.join(" ");
  if (change.call) {
    properties.calledElement = change.call.plan || undefined;
    properties["ch:plan"] = undefined;
    properties["ch:version"] = change.call.version ?? undefined;
  }
  if (change.each !== undefined) properties.loopCharacteristics = loop(factory, change.each);
  const lists: [string, Record<string, unknown>[]][] = [];
  if (change.escalate) lists.push(["Escalate", change.escalate.map(({ at, to }) => ({ at, to }))]);
  if (change.evidence)
    lists.push([
      "Evidence",
      change.evidence.map(({ kind, min = 1, schema }) => ({
        kind,
        min: String(min),
        ...(schema ? { body: JSON.stringify(schema) } : {}),
      })),
    ]);
  if (change.payload)
    lists.push(["Payload", Object.entries(change.payload).map(([name, value]) => ({ name, value: spelled(value) }))]);
  if (change.sets) lists.push(["Sets", Object.entries(change.sets).map(([variable, field]) => ({ variable, field }))]);
  if (lists.length > 0) properties.extensionElements = replaced(diagram, element.businessObject, lists);
  modeling.updateProperties(element, properties);
}

function loop(factory: ReturnType<typeof factoryOf>, each: Step["each"]): Business | undefined {
  if (each === null || each === undefined) return undefined;
  return factory.create("bpmn:MultiInstanceLoopCharacteristics", {
    "ch:as": each.as,
    "ch:in": spelled(each.in),
  });
}
const factoryOf = (diagram: Diagram) => diagram.get("bpmnFactory");

/** The extension elements with these kinds replaced and everything else kept. */
function replaced(
  diagram: Diagram,
  business: Business,
  lists: [string, Record<string, unknown>[]][],
): Business | undefined {
  const factory = factoryOf(diagram);
  const kinds = new Set(lists.map(([type]) => `ch:${type}`.toLowerCase()));
  const before = business.get("extensionElements") as Business | undefined;
  const kept = ((before?.get("values") as Business[] | undefined) ?? []).filter(
    ({ $type }) => !kinds.has($type.toLowerCase()),
  );
  const made = lists.flatMap(([type, all]) => all.map((attributes) => factory.create(`ch:${type}`, attributes)));
  if (kept.length + made.length === 0) return undefined;
  const outer = factory.create("bpmn:ExtensionElements", { values: [...kept, ...made] });
  outer.$parent = business;
  for (const one of [...kept, ...made]) one.$parent = outer;
  return outer;
}

export function readFlow(flow: Element): { condition: string | null; otherwise: boolean } {
  const expression = flow.businessObject.get("conditionExpression") as Business | undefined;
  const source = flow.source?.businessObject;
  return {
    condition: expression === undefined ? null : attribute(expression, "body") || null,
    otherwise: source !== undefined && (source.get("default") as Business | undefined) === flow.businessObject,
  };
}

export function writeFlow(diagram: Diagram, flow: Element, change: { condition?: string | null; otherwise?: boolean }) {
  const modeling = diagram.get("modeling");
  if (change.otherwise !== undefined && flow.source)
    modeling.updateProperties(flow.source, { default: change.otherwise ? flow.businessObject : undefined });
  if (change.condition !== undefined || change.otherwise) {
    const body = change.otherwise ? null : (change.condition ?? null);
    const expression = body === null ? undefined : diagram.get("bpmnFactory").create("bpmn:FormalExpression", { body });
    if (expression) expression.$parent = flow.businessObject;
    modeling.updateProperties(flow, { conditionExpression: expression });
  }
}

export function readTimer(element: Element): { length: string | null; interrupt: boolean } {
  const definition = timerOf(element);
  const duration = definition?.get("timeDuration") as Business | undefined;
  return {
    length: duration === undefined ? null : attribute(duration, "body") || null,
    interrupt: element.businessObject.get("cancelActivity") !== false,
  };
}

const timerOf = (element: Element): Business | undefined =>
  (element.businessObject.get("eventDefinitions") as Business[] | undefined)?.find(
    ({ $type }) => $type === "bpmn:TimerEventDefinition",
  );

export function writeTimer(
  diagram: Diagram,
  element: Element,
  change: { length?: string | null; interrupt?: boolean },
) {
  const modeling = diagram.get("modeling");
  const definition = timerOf(element);
  if (change.length !== undefined && definition !== undefined) {
    const duration =
      change.length === null
        ? undefined
        : diagram.get("bpmnFactory").create("bpmn:FormalExpression", { body: change.length });
    if (duration) duration.$parent = definition;
    modeling.updateModdleProperties(element, definition, { timeDuration: duration });
  }
  if (change.interrupt !== undefined) modeling.updateProperties(element, { cancelActivity: change.interrupt });
}

// ── the plan ─────────────────────────────────────────────────────────────────────────────────────────────────────

interface Whole {
  process: Business;
  participant: Element | null;
  root: Element;
}

function whole(diagram: Diagram): Whole {
  const root = diagram.get("canvas").getRootElement();
  const participant = diagram.get("elementRegistry").filter((element) => is(element, "bpmn:Participant"))[0] ?? null;
  const process = (participant?.businessObject.get("processRef") as Business | undefined) ?? root.businessObject;
  return { process, participant, root };
}

export function readPlan(diagram: Diagram): PlanHead {
  const { process, participant } = whole(diagram);
  const start = diagram.get("elementRegistry").filter((element) => is(element, "bpmn:StartEvent"))[0];
  const bearer = start && text(start.businessObject, "kind") ? start.businessObject : process;
  const kind = text(bearer, "kind");
  const levels = (text(bearer, "levels") ?? "")
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(Number);
  const sourceZh = text(process, "sourceZh");
  const sourceEn = text(process, "sourceEn");
  const named = titleOf(process) ?? (participant ? titleOf(participant.businessObject) : undefined);
  return {
    plan: text(process, "plan") ?? process.id,
    version: text(process, "version") ?? "",
    title: named ?? { "zh-CN": "", en: "" },
    source: sourceZh === null && sourceEn === null ? null : { "zh-CN": sourceZh ?? "", en: sourceEn ?? "" },
    for: kind === null ? null : { kind, levels: levels as never },
    valid_from: text(process, "validFrom"),
    valid_until: text(process, "validUntil"),
    parameters: Object.fromEntries(
      parts(process, "Parameter").map((one) => [
        attribute(one, "name"),
        readable(attribute(one, "value")) as Plain | Plain[],
      ]),
    ),
    titles: Object.fromEntries(
      parts(process, "Parameter").flatMap((one) => {
        const title = { "zh-CN": attribute(one, "titleZh"), en: attribute(one, "titleEn") };
        return title["zh-CN"] === "" && title.en === "" ? [] : [[attribute(one, "name"), title]];
      }),
    ),
  };
}

export function writePlan(diagram: Diagram, change: Partial<PlanHead>) {
  const { process, participant, root } = whole(diagram);
  const modeling = diagram.get("modeling");
  const properties: Record<string, unknown> = {};
  if (change.plan !== undefined) properties["ch:plan"] = change.plan || undefined;
  if (change.version !== undefined) properties["ch:version"] = change.version || undefined;
  if (change.valid_from !== undefined) properties["ch:validFrom"] = change.valid_from ?? undefined;
  if (change.valid_until !== undefined) properties["ch:validUntil"] = change.valid_until ?? undefined;
  if (change.source !== undefined) {
    properties["ch:sourceZh"] = change.source?.["zh-CN"] || undefined;
    properties["ch:sourceEn"] = change.source?.en || undefined;
  }
  if (change.for !== undefined) {
    const applies = { "ch:kind": change.for?.kind, "ch:levels": change.for?.levels.join(",") };
    // Where the drawing says it at its start event, it goes on saying it there.
    const start = diagram.get("elementRegistry").filter((one) => is(one, "bpmn:StartEvent"))[0];
    if (start !== undefined && text(start.businessObject, "kind") !== null)
      modeling.updateProperties(start, {
        ...applies,
        name: change.for === null ? undefined : `${change.for.kind} ${change.for.levels.join(",")}`,
      });
    else Object.assign(properties, applies);
  }
  if (change.title !== undefined) {
    properties.name = change.title["zh-CN"];
    properties["ch:en"] = change.title.en || undefined;
  }
  if (change.parameters !== undefined || change.titles !== undefined) {
    const known = readPlan(diagram);
    const titles = change.titles ?? known.titles ?? {};
    properties.extensionElements = replaced(diagram, process, [
      [
        "Parameter",
        Object.entries(change.parameters ?? known.parameters ?? {}).map(([name, value]) => ({
          name,
          value: spelled(value),
          titleZh: titles[name]?.["zh-CN"] || undefined,
          titleEn: titles[name]?.en || undefined,
        })),
      ],
    ]);
  }
  modeling.updateModdleProperties(participant ?? root, process, properties);
  // The pool shows the plan's title.
  if (change.title !== undefined && participant !== null)
    modeling.updateProperties(participant, { name: change.title["zh-CN"] });
}

/** What conditions may ask about: the level, the kind, the parameters, and what is found out on the way. */
export function variablesOf(
  diagram: Diagram,
  plan: PlanHead,
  tables: readonly { name: string; outputs?: readonly string[] }[],
): Variable[] {
  const found: Variable[] = [
    { name: "level", kind: "level" },
    { name: "kind", kind: "text" },
  ];
  const add = (name: string, kind: Variable["kind"]) => {
    if (name !== "" && !found.some((one) => one.name === name)) found.push({ name, kind });
  };
  for (const [name, value] of Object.entries(plan.parameters ?? {}))
    if (!Array.isArray(value))
      add(name, typeof value === "boolean" ? "yesno" : typeof value === "number" ? "number" : "text");
  for (const element of diagram.get("elementRegistry").getAll()) {
    if (isStep(element)) {
      const step = readStep(element);
      for (const name of Object.keys(step.sets ?? {})) add(name, "any");
      for (const name of tables.find((one) => one.name === step.table)?.outputs ?? []) add(name, "any");
    }
    if (
      element.labelTarget === undefined &&
      is(element, "bpmn:BoundaryEvent") &&
      readTimer(element).interrupt &&
      element.host
    )
      add(`interrupted_${stepId(element.host.businessObject).replaceAll("-", "_")}`, "yesno");
  }
  return found;
}
