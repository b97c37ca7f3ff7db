/** The drawing of a run's plan with what each step is in now. Loaded only when somebody asks for it. */

import { lazy, Suspense, useMemo } from "react";
import type { Run } from "../api/types";
import type { Mark } from "../bpmn/Drawing";
import { useWords } from "../i18n";
import { Loading, Shown } from "../ui/states";
import { useDrawing, useRun } from "./queries";
import type { StepProgress } from "./types";
import { usePlanWords } from "./words";

const Drawing = lazy(() => import("../bpmn/Drawing"));

export default function RunDrawing({
  run,
  open,
  select,
}: {
  run: Run;
  open: string | null;
  select: (id: string) => void;
}) {
  const { p, say } = usePlanWords();
  const { t } = useWords();
  const drawing = useDrawing(run.plan.digest);
  const steps = useRun(run.id).data?.steps;
  const marks = useMemo(
    () =>
      marksOf(steps ?? [], (state) =>
        t(state === "late" ? "task.late" : state === "left_out" ? "task.leftOut" : `task.${state}`),
      ),
    [steps, t],
  );
  const chosen = steps?.find(({ task_id }) => task_id !== null && task_id === open)?.of ?? null;
  const added = (run.patches ?? []).some(({ op }) => op === "add");
  return (
    <Shown of={drawing} lines={8}>
      {(xml) => (
        <Suspense fallback={<Loading lines={8} />}>
          <Drawing
            xml={xml}
            label={p("drawing.ofRun", { plan: say(run.plan.title) })}
            marks={marks}
            chosen={chosen}
            choose={(step) => {
              const task = steps?.find((one) => one.of === step && one.task_id !== null)?.task_id;
              if (task) select(task);
            }}
          />
          {added && <p className="body quiet">{p("drawing.added")}</p>}
        </Suspense>
      )}
    </Shown>
  );
}

type Said = StepProgress["state"] | "late";
const PRESSING: readonly Mark["tone"][] = ["late", "open", "waiting", "done", "skipped"];

/** What each step of the drawing is in; one that is done for each of a list shows the most pressing of them. */
export function marksOf(steps: readonly StepProgress[], say: (state: Said) => string): ReadonlyMap<string, Mark> {
  const marks = new Map<string, Mark>();
  for (const { of, state, late } of steps) {
    const over = state === "closed" || state === "verified" || state === "cancelled" || state === "left_out";
    const tone: Mark["tone"] =
      late && !over
        ? "late"
        : state === "cancelled" || state === "left_out"
          ? "skipped"
          : over
            ? "done"
            : state === "scheduled"
              ? "waiting"
              : "open";
    const before = marks.get(of);
    if (before === undefined || PRESSING.indexOf(tone) < PRESSING.indexOf(before.tone))
      marks.set(of, { tone, word: say(tone === "late" ? "late" : state) });
  }
  return marks;
}
