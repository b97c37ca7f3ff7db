/** The drawing of a run's plan with what each step is in now. Loaded only when somebody asks for it. */

import { lazy, Suspense, useMemo } from "react";
import type { Run, Task } from "../api/types";
import type { Mark } from "../bpmn/Drawing";
import { useNow } from "../live/LiveProvider";
import { finished, lateKey, stateKey } from "../ui/deadlines";
import { Loading, Shown } from "../ui/states";
import { newest } from "./ChangeRun";
import { useDrawing } from "./queries";
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
  const words = usePlanWords();
  const { t, p, say } = words;
  const now = useNow();
  const drawing = useDrawing(run.plan.digest);
  const minute = Math.floor(now / 60_000);
  const tasks = useMemo(() => newest(run.tasks), [run.tasks]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: late changes with the minute, not with every tick
  const marks = useMemo(() => marksOf(tasks, now, (key) => t(key as Parameters<typeof t>[0])), [tasks, minute, t]);
  const chosen = run.tasks.find(({ id }) => id === open)?.step ?? null;
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
              const task =
                tasks.find((one) => one.step === step) ?? tasks.find((one) => one.step.startsWith(`${step}-`));
              if (step !== null && task) select(task.id);
            }}
          />
        </Suspense>
      )}
    </Shown>
  );
}

/** What each step of the drawing is in: a step done for each item of a list shows its most pressing one. */
export function marksOf(tasks: readonly Task[], now: number, t: (key: string) => string): ReadonlyMap<string, Mark> {
  const marks = new Map<string, Mark>();
  const press: Record<Mark["tone"], number> = {
    late: 5,
    wrong: 5,
    open: 4,
    waiting: 3,
    changed: 2,
    added: 2,
    done: 1,
    removed: 0,
    skipped: 0,
  };
  const put = (step: string, mark: Mark) => {
    const before = marks.get(step);
    if (before === undefined || press[before.tone] < press[mark.tone]) marks.set(step, mark);
  };
  for (const task of tasks) {
    const late = lateKey(task, now);
    const tone: Mark["tone"] =
      task.state === "cancelled"
        ? "skipped"
        : late !== null && !finished(task)
          ? "late"
          : finished(task)
            ? "done"
            : task.state === "scheduled"
              ? "waiting"
              : "open";
    const mark: Mark = { tone, word: t(tone === "late" && late !== null ? late : stateKey(task)) };
    put(task.step, mark);
    // "flood-gates-3" is item 3 of the step "flood-gates"
    const cut = task.step.lastIndexOf("-");
    for (let at = cut; at > 0; at = task.step.lastIndexOf("-", at - 1)) put(task.step.slice(0, at), mark);
  }
  return marks;
}
