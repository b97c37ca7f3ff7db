/** The rules of the queue, without the phone: what a task is once what waits has arrived, what is sent together. */

import { told } from "../api/client";
import type { Task, TaskVerb } from "../api/types";
import { FIELD_VERBS, type FieldVerb, type Refusal, type Waiting } from "./types";

/** Acts in the order in which they were pressed. */
export const inOrder = (acts: Iterable<Waiting>): Waiting[] =>
  [...acts].sort((a, b) => a.order - b.order || a.id.localeCompare(b.id));

/** What still has to go; what was refused waits for a person. */
export const toSend = (acts: Iterable<Waiting>): Waiting[] => inOrder(acts).filter(({ refusal }) => refusal === null);

/** How many things wait: acts, and photos that are not with the city yet. */
export const countWaiting = (acts: Iterable<Waiting>): number =>
  toSend(acts).reduce((sum, act) => sum + 1 + act.photos.filter(({ sent }) => !sent).length, 0);

const AFTER: Record<FieldVerb, (task: Task, act: Waiting) => Partial<Task>> = {
  accept: ({ actions }, { at }) => ({
    state: "accepted",
    accepted_at: at,
    actions: [...actions.filter((verb) => verb !== "accept" && verb !== "submit"), "submit"],
  }),
  submit: (_, { at }) => ({ state: "submitted", submitted_at: at, actions: [] }),
  return: () => ({ state: "returned", actions: [] }),
  request_extension: ({ actions }, { body }) => ({
    extension_until: body.until ?? null,
    actions: actions.filter((verb) => verb !== "request_extension"),
  }),
};

/** The task as it will be when what waits has been taken. */
export function projected(task: Task, acts: Iterable<Waiting>): Task {
  let now = task;
  for (const act of toSend(acts)) if (act.task === task.id) now = { ...now, ...AFTER[act.verb](now, act) };
  return now;
}

export const fieldVerbs = (task: Task): FieldVerb[] =>
  FIELD_VERBS.filter((verb) => (task.actions as TaskVerb[]).includes(verb));

/** An act as `POST /api/acts` takes it. */
export const spelled = ({ id, task, verb, at, body }: Waiting): Record<string, unknown> => ({
  command_id: id,
  task_id: task,
  verb,
  at,
  ...body,
});

export interface Played {
  command_id: string;
  ok: boolean;
  problem?: Record<string, unknown> & { status?: number };
}

/** Whether the city said no for good; what is busy or broken over there is tried again. */
export const final = (status: number): boolean =>
  status >= 400 && status < 500 && ![401, 408, 425, 429].includes(status);

export function refusalOf(problem: Played["problem"]): Refusal {
  const { status, code, detail, remedy, more } = told(problem?.status ?? 0, problem ?? {});
  return { status, code, detail, remedy, more };
}

/** What becomes of the acts that were sent, one answer each. */
export function settled(
  sent: readonly Waiting[],
  answers: readonly Played[],
): { done: Waiting[]; refused: Waiting[]; later: Waiting[] } {
  const byId = new Map(answers.map((answer) => [answer.command_id, answer]));
  const done: Waiting[] = [];
  const refused: Waiting[] = [];
  const later: Waiting[] = [];
  for (const act of sent) {
    const answer = byId.get(act.id);
    if (answer?.ok) done.push(act);
    else if (answer && final(answer.problem?.status ?? 0)) refused.push({ ...act, refusal: refusalOf(answer.problem) });
    else later.push(act);
  }
  return { done, refused, later };
}

const DAY = 86_400_000;

/** Tasks that the phone need not keep: over for a day, and nothing waits for them. */
export function outdated(tasks: Iterable<Task>, acts: Iterable<Waiting>, drafts: ReadonlySet<string>, now: number) {
  const held = new Set([...acts].map(({ task }) => task));
  return [...tasks]
    .filter(
      ({ id, closed_at }) =>
        closed_at !== null && now - Date.parse(closed_at) > DAY && !held.has(id) && !drafts.has(id),
    )
    .map(({ id }) => id);
}
