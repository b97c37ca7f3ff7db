/** Which clock of a task is running, and whether it has run out, by the city's time. */

import type { Task } from "../api/types";

export interface Deadline {
  kind: "accept" | "due";
  at: number;
  /** Milliseconds left; negative once overdue. */
  left: number;
}

/** Over: closed, cancelled, or a round that a rework or another department has taken the place of. */
export const finished = ({ state, closed_at }: Task) =>
  closed_at !== null || state === "closed" || state === "cancelled";

/** The dictionary key of what a task is: an ended round says how it ended where its state alone would not. */
export function stateKey({ state, outcome }: Task) {
  if (state === "returned" && outcome === "rework") return "task.reworked" as const;
  if (state === "cancelled" && (outcome === "reassigned" || outcome === "delegated")) return `task.${outcome}` as const;
  return `task.${state}` as const;
}

/** The clock that runs now: to accept while dispatched, to submit while accepted or returned; none otherwise. */
export function running(task: Task, now: number): Deadline | null {
  const kind = task.state === "dispatched" ? "accept" : task.state === "accepted" ? "due" : null;
  if (kind === null || finished(task)) return null;
  const text = kind === "accept" ? (task.accept_due ?? task.due) : task.due;
  if (text === null) return null;
  const at = Date.parse(text);
  return { kind, at, left: at - now };
}

/** How late a task is or was, in ms; null when it is not. The city's own word (`late`) counts before our clock. */
export function lateness(task: Task, now: number): number | null {
  const clock = running(task, now);
  if (clock !== null && clock.left < 0) return -clock.left;
  if (!task.late) return null;
  const end = task.submitted_at ?? task.closed_at;
  const over = task.due === null ? 0 : (end === null ? now : Date.parse(end)) - Date.parse(task.due);
  return Math.max(0, over);
}

/** Which word says how a task is late: not signed for in time, or not done in time; null when it is not late. */
export function lateKey(task: Task, now: number) {
  if (lateness(task, now) === null) return null;
  return !task.late && running(task, now)?.kind === "accept" ? ("task.lateAccept" as const) : ("task.late" as const);
}

export function tone(task: Task, now: number): "late" | "open" | "good" | "quiet" {
  if (lateness(task, now) !== null) return "late";
  if (task.state === "closed" || task.state === "verified") return "good";
  return finished(task) || task.state === "scheduled" || task.state === "suspended" ? "quiet" : "open";
}

/** Steps by the length of their longest chain of predecessors: those of one stage may run beside each other. */
export function stages(tasks: readonly Task[]): Task[][] {
  const after = new Map(tasks.map((task) => [task.step, task.after]));
  const depths = new Map<string, number>();
  const depth = (step: string, seen: readonly string[]): number => {
    const known = depths.get(step);
    if (known !== undefined) return known;
    if (seen.includes(step)) return 0;
    const before = (after.get(step) ?? []).filter((one) => after.has(one));
    const found = before.length === 0 ? 0 : 1 + Math.max(...before.map((one) => depth(one, [...seen, step])));
    depths.set(step, found);
    return found;
  };
  const grouped: Task[][] = [];
  for (const task of tasks) {
    const at = depth(task.step, []);
    while (grouped.length <= at) grouped.push([]);
    grouped[at]?.push(task);
  }
  const start = ({ dispatched_at, planned_at }: Task) => dispatched_at ?? planned_at ?? "9";
  for (const group of grouped)
    group.sort(
      (a, b) =>
        Number(a.step !== b.step) * start(a).localeCompare(start(b)) ||
        a.step.localeCompare(b.step) ||
        a.round - b.round,
    );
  return grouped;
}
