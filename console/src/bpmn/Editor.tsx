/**
 * Drawing a plan: the canvas, and beside it one panel in plain words. Whatever can be done with the mouse can be done
 * in the panel too: choose a step from the list, add what follows, connect, delete.
 */

import { Button, NativeSelect, Textarea } from "@mantine/core";
import Modeler from "bpmn-js/lib/Modeler";
import { type RefObject, useEffect, useImperativeHandle, useMemo, useReducer, useRef, useState } from "react";
import "bpmn-js/dist/assets/diagram-js.css";
import "bpmn-js/dist/assets/bpmn-js.css";
import "bpmn-js/dist/assets/bpmn-font/css/bpmn-codes.css";
import "./bpmn.css";
import { useWords } from "../i18n";
import { PlanForm, type PlanHead } from "../plans/PlanForm";
import { BothLanguages, ConditionField, LengthField, type Variable, WhoField } from "../plans/parts";
import { type Known, StepForm } from "../plans/StepForm";
import { titled, usePlanWords } from "../plans/words";
import { Empty } from "../ui/states";
import { showAll } from "./Drawing";
import { type Diagram, type Element, is } from "./diagram";
import {
  CH,
  isStep,
  readFlow,
  readLane,
  readPlan,
  readStep,
  readTimer,
  variablesOf,
  writeFlow,
  writeLane,
  writePlan,
  writeStep,
  writeTimer,
  writeUnit,
} from "./fields";
import { type Hands, mayAppend, mayTime, modules, PARTS } from "./modules";
import { PAINT, PLAIN } from "./paint";
import { Zoom } from "./Zoom";

export interface Found {
  element: string | null;
  severity: "error" | "warning";
  words: string;
}

export interface EditorHandle {
  save(): Promise<string>;
  jump(element: string): void;
}

export interface EditorProps {
  xml: string;
  handle: RefObject<EditorHandle | null>;
  changed: () => void;
  problems: readonly Found[];
  known: Omit<Known, "variables" | "lists">;
  kinds: readonly string[];
  locked: boolean;
}

interface EditorServices {
  get(name: "hands"): Hands;
  get(name: "linkFactory"): never;
}

export default function Editor({ xml, handle, changed, problems, known, kinds, locked }: EditorProps) {
  const { p, say, t } = usePlanWords();
  const words = usePlanWords();
  const { language } = useWords();
  const box = useRef<HTMLDivElement>(null);
  const [diagram, setDiagram] = useState<Diagram | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const [chosen, setChosen] = useState<Element | null>(null);
  const [version, touch] = useReducer((n: number) => n + 1, 0);
  const telling = useRef(changed);
  telling.current = changed;
  const kept = useRef<string>(xml);
  const made = useRef(words);
  made.current = words;

  // A change of language rebuilds the tools; the drawing goes on from where it was.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the file is opened once, later it lives in the editor
  useEffect(() => {
    if (box.current === null) return;
    let gone = false;
    const modeler = new Modeler({
      container: box.current,
      additionalModules: [PLAIN, ...modules(made.current)],
      moddleExtensions: { ch: CH },
      keyboard: { bind: !locked },
      ...PAINT,
    } as never) as unknown as Diagram;
    const bus = modeler.get("eventBus");
    setFailed(null);
    modeler
      .importXML(kept.current)
      .then(() => {
        if (gone) return;
        showAll(modeler);
        setDiagram(modeler);
      })
      .catch((error: unknown) => {
        if (!gone) setFailed(error instanceof Error ? error.message : String(error));
      });
    bus.on("selection.changed", ((event: { newSelection: Element[] }) => {
      const [one, ...more] = event.newSelection;
      setChosen(one !== undefined && more.length === 0 ? (one.labelTarget ?? one) : null);
    }) as (event: never) => void);
    bus.on("commandStack.changed", (() => {
      touch();
      telling.current();
      void modeler.saveXML({ format: true }).then(({ xml: now }) => {
        if (now !== undefined) kept.current = now;
      });
    }) as (event: never) => void);
    const sized = new ResizeObserver(() => modeler.get("canvas").resized());
    sized.observe(box.current);
    return () => {
      gone = true;
      sized.disconnect();
      setDiagram(null);
      setChosen(null);
      modeler.destroy();
    };
  }, [language, locked]);

  useImperativeHandle(
    handle,
    () => ({
      save: async () => {
        if (diagram === null) return kept.current;
        const { xml: now } = await diagram.saveXML({ format: true });
        return now ?? kept.current;
      },
      jump: (id) => {
        const element = diagram?.get("elementRegistry").get(id) ?? elementOfStep(diagram, id);
        if (!diagram || !element) return;
        diagram.get("selection").select(element);
        diagram.get("canvas").scrollToElement(element, 120);
      },
    }),
    [diagram],
  );

  useEffect(() => {
    if (diagram === null) return;
    const canvas = diagram.get("canvas");
    const overlays = diagram.get("overlays");
    const set: string[] = [];
    for (const { element: id, severity, words: text } of problems) {
      if (id === null || severity !== "error") continue;
      const element = diagram.get("elementRegistry").get(id) ?? elementOfStep(diagram, id);
      if (element === undefined || set.includes(element.id)) continue;
      canvas.addMarker(element.id, "at-wrong");
      set.push(element.id);
      const html = document.createElement("div");
      html.className = "corner";
      html.dataset.tone = "wrong";
      html.textContent = text;
      html.title = text;
      overlays.add(element.id, "problem", { html, position: { bottom: 4, left: 0 } });
    }
    return () => {
      overlays.remove({ type: "problem" });
      // An element may be gone by now.
      for (const id of set) if (diagram.get("elementRegistry").get(id)) canvas.removeMarker(id, "at-wrong");
    };
  }, [diagram, problems]);

  const plan = useMemo(() => {
    void version;
    return diagram === null ? null : readPlan(diagram);
  }, [diagram, version]);
  const variables = useMemo<Variable[]>(() => {
    void version;
    return diagram === null || plan === null ? [] : variablesOf(diagram, plan, known.tables);
  }, [diagram, plan, version, known.tables]);
  const elements = useMemo(() => {
    void version;
    return diagram === null
      ? []
      : diagram
          .get("elementRegistry")
          .filter((element) => element.labelTarget === undefined && is(element, "bpmn:FlowNode"))
          .sort((a, b) => a.x - b.x || a.y - b.y);
  }, [diagram, version]);
  const nameOf = (element: Element): string => {
    const part = PARTS.find(({ type }) => is(element, type));
    const kind = is(element, "bpmn:BoundaryEvent") ? p("part.tooLong") : part ? p(part.word) : element.type;
    const title = isStep(element) ? say(titled(readStep(element).title, "")) : (element.businessObject.name ?? "");
    return title === "" ? kind : `${kind} · ${title}`;
  };
  const lists = Object.entries(plan?.parameters ?? {}).flatMap(([name, value]) => (Array.isArray(value) ? [name] : []));

  return (
    <div className="editor">
      <section
        className="drawing"
        data-editing="true"
        aria-label={p("drawing.edit")}
        data-ready={diagram !== null}
        data-testid="drawing"
      >
        {diagram !== null && (
          <>
            <Zoom diagram={diagram} />
            {!locked && <Undo diagram={diagram} version={version} />}
          </>
        )}
        <div ref={box} className={locked ? "canvas locked" : "canvas"} />
        {failed !== null && (
          <Empty title={p("drawing.failed")}>
            <span>{p("drawing.failedRemedy")}</span>
            <span className="mono">{failed}</span>
          </Empty>
        )}
      </section>
      {diagram !== null && plan !== null && (
        <section className="inspector" aria-label={p("inspector.title")} tabIndex={0}>
          <NativeSelect
            label={p("inspector.about")}
            data-testid="inspect"
            data={[
              { value: "", label: p("inspector.plan") },
              ...elements.map((element) => ({ value: element.id, label: nameOf(element) })),
              ...(chosen !== null && !elements.includes(chosen)
                ? [{ value: chosen.id, label: is(chosen, "bpmn:SequenceFlow") ? p("part.flow") : nameOf(chosen) }]
                : []),
            ]}
            value={chosen?.id ?? ""}
            onChange={({ currentTarget: { value } }) =>
              diagram.get("selection").select(value === "" ? null : (diagram.get("elementRegistry").get(value) ?? null))
            }
          />
          <div key={chosen?.id ?? "plan"} className="stack">
            <About
              diagram={diagram}
              element={chosen}
              plan={plan}
              known={{ ...known, variables, lists }}
              kinds={kinds}
              locked={locked}
              nameOf={nameOf}
            />
          </div>
          {chosen !== null && !locked && (
            <Follow diagram={diagram} element={chosen} elements={elements} nameOf={nameOf} label={t("step.starts")} />
          )}
        </section>
      )}
    </div>
  );
}

const elementOfStep = (diagram: Diagram | null, step: string): Element | undefined =>
  diagram?.get("elementRegistry").filter((element) => isStep(element) && readStep(element).id === step)[0];

function Undo({ diagram, version }: { diagram: Diagram; version: number }) {
  const { p } = usePlanWords();
  const stack = diagram.get("commandStack");
  void version;
  return (
    <div className="drawing-tools" style={{ right: 148 }}>
      <button type="button" disabled={!stack.canUndo()} onClick={() => stack.undo()}>
        {p("edit.undo")}
      </button>
      <button type="button" disabled={!stack.canRedo()} onClick={() => stack.redo()}>
        {p("edit.redo")}
      </button>
    </div>
  );
}

/** What the panel says of the chosen element; of the plan when none is chosen. */
function About({
  diagram,
  element,
  plan,
  known,
  kinds,
  locked,
  nameOf,
}: {
  diagram: Diagram;
  element: Element | null;
  plan: PlanHead;
  known: Known;
  kinds: readonly string[];
  locked: boolean;
  nameOf: (element: Element) => string;
}) {
  const { p } = usePlanWords();
  const modeling = diagram.get("modeling");
  if (
    element === null ||
    is(element, "bpmn:Participant") ||
    is(element, "bpmn:Process") ||
    is(element, "bpmn:Collaboration")
  )
    return <PlanForm plan={plan} change={(change) => writePlan(diagram, change)} kinds={kinds} disabled={locked} />;
  if (is(element, "bpmn:Lane"))
    return (
      <WhoField
        label={p("field.lane")}
        hint={p("field.laneHint")}
        disabled={locked}
        departments={known.departments}
        value={readLane(element)}
        change={(unit) => writeLane(diagram, element, unit, known.departments)}
      />
    );
  if (isStep(element)) {
    const step = readStep(element);
    return (
      <>
        {!locked && is(element, "bpmn:Task") && (
          <NativeSelect
            label={p("field.does")}
            data={(["task", "message", "decide"] as const).map((one) => ({ value: one, label: p(`does.${one}`) }))}
            value={step.does ?? "task"}
            onChange={({ currentTarget: { value } }) => {
              const type = { task: "bpmn:UserTask", message: "bpmn:SendTask", decide: "bpmn:BusinessRuleTask" }[value];
              const turned = diagram.get("bpmnReplace").replaceElement(element, { type });
              diagram.get("selection").select(turned);
            }}
          />
        )}
        <StepForm
          step={step}
          change={({ unit, ...change }) => {
            if (unit !== undefined) writeUnit(diagram, element, unit, known.departments);
            if (Object.keys(change).length > 0) writeStep(diagram, element, change);
          }}
          known={known}
          disabled={locked}
        />
      </>
    );
  }
  if (is(element, "bpmn:BoundaryEvent") || is(element, "bpmn:IntermediateCatchEvent")) {
    const timer = readTimer(element);
    const boundary = is(element, "bpmn:BoundaryEvent");
    return (
      <>
        <p className="quiet">{p(boundary ? "field.tooLongHint" : "field.waitHint")}</p>
        <LengthField
          label={p(boundary ? "field.tooLong" : "field.wait")}
          required
          testid="timer-length"
          disabled={locked}
          value={timer.length}
          change={(length) => writeTimer(diagram, element, { length })}
        />
        {boundary && (
          <NativeSelect
            label={p("field.interrupt")}
            disabled={locked}
            data={[
              { value: "false", label: p("interrupt.no") },
              { value: "true", label: p("interrupt.yes") },
            ]}
            value={String(timer.interrupt)}
            onChange={({ currentTarget: { value } }) => writeTimer(diagram, element, { interrupt: value === "true" })}
          />
        )}
        {!boundary && (
          <BothLanguages
            label={p("field.title")}
            disabled={locked}
            value={readStep(element).title}
            change={(title) => writeStep(diagram, element, { title })}
          />
        )}
      </>
    );
  }
  if (is(element, "bpmn:SequenceFlow")) {
    const flow = readFlow(element);
    const conditional =
      element.source !== undefined &&
      (is(element.source, "bpmn:ExclusiveGateway") || is(element.source, "bpmn:InclusiveGateway"));
    if (!conditional) return <p className="quiet">{p("flow.plain")}</p>;
    return (
      <>
        <p className="quiet">{p("flow.hint")}</p>
        <NativeSelect
          label={p("flow.taken")}
          disabled={locked}
          data={[
            { value: "when", label: p("flow.when") },
            { value: "else", label: p("flow.else") },
          ]}
          value={flow.otherwise ? "else" : "when"}
          onChange={({ currentTarget: { value } }) => writeFlow(diagram, element, { otherwise: value === "else" })}
        />
        {!flow.otherwise && (
          <ConditionField
            label={p("flow.condition")}
            disabled={locked}
            variables={known.variables}
            value={flow.condition}
            change={(condition) => writeFlow(diagram, element, { condition })}
          />
        )}
      </>
    );
  }
  if (is(element, "bpmn:TextAnnotation"))
    return (
      <Textarea
        label={p("part.note")}
        autosize
        minRows={2}
        disabled={locked}
        defaultValue={String(element.businessObject.get("text") ?? "")}
        onBlur={(event) => modeling.updateLabel(element, event.currentTarget.value)}
      />
    );
  if (is(element, "bpmn:Gateway"))
    return (
      <p className="quiet">
        {p(
          is(element, "bpmn:ExclusiveGateway")
            ? "gateway.one"
            : is(element, "bpmn:ParallelGateway")
              ? "gateway.all"
              : "gateway.some",
        )}
      </p>
    );
  return <p className="quiet">{nameOf(element)}</p>;
}

/** What comes next, without a mouse: a new part after this one, or a way to one that is there. */
function Follow({
  diagram,
  element,
  elements,
  nameOf,
}: {
  diagram: Diagram;
  element: Element;
  elements: readonly Element[];
  nameOf: (element: Element) => string;
  label: string;
}) {
  const { p } = usePlanWords();
  const hands = (diagram as unknown as EditorServices).get("hands");
  const connect = diagram.get("modeling") as unknown as { connect(source: Element, target: Element): void };
  const fixed = is(element, "bpmn:Participant") || is(element, "bpmn:Process") || is(element, "bpmn:Collaboration");
  if (fixed) return null;
  const onward = mayAppend(element);
  return (
    <fieldset className="fields">
      <legend>{p("follow.title")}</legend>
      {onward && (
        <>
          <div className="line">
            {PARTS.filter(({ group, id }) => group !== "note" && id !== "start").map((part) => (
              <Button
                key={part.id}
                size="xs"
                variant="default"
                data-testid={`then-${part.id}`}
                onClick={() => hands.append(element, part)}
              >
                {p("follow.add", { part: p(part.word) })}
              </Button>
            ))}
          </div>
          <NativeSelect
            label={p("follow.connect")}
            data={[
              { value: "", label: "—" },
              ...elements
                .filter((one) => one !== element && !is(one, "bpmn:StartEvent") && !is(one, "bpmn:BoundaryEvent"))
                .map((one) => ({ value: one.id, label: nameOf(one) })),
            ]}
            value=""
            onChange={({ currentTarget: { value } }) => {
              const target = diagram.get("elementRegistry").get(value);
              if (target !== undefined) connect.connect(element, target);
            }}
          />
        </>
      )}
      <div className="line">
        {mayTime(element) && (
          <Button size="xs" variant="default" data-testid="then-too-long" onClick={() => hands.tooLong(element)}>
            {p("part.tooLong")}
          </Button>
        )}
        {is(element, "bpmn:Lane") && (
          <Button size="xs" variant="default" onClick={() => hands.lane(element, "bottom")}>
            {p("part.lane")}
          </Button>
        )}
        <Button
          size="xs"
          variant="default"
          color="red"
          data-testid="delete-element"
          onClick={() => hands.remove(element)}
        >
          {p("part.delete")}
        </Button>
      </div>
    </fieldset>
  );
}
