/** A task's state by shape and word; late has its own shape (a clock) and is the only coloured one. */

import type { ReactNode } from "react";
import type { Task, TaskState } from "../api/types";
import { useWords } from "../i18n";
import { lateKey, stateKey, tone } from "./deadlines";
import {
  CheckIcon,
  ClockIcon,
  CrossIcon,
  PauseIcon,
  ReturnIcon,
  SentIcon,
  SubmittedIcon,
  WaitingIcon,
  WorkingIcon,
} from "./icons";

const ICONS: Record<TaskState, (props: { size?: number }) => ReactNode> = {
  scheduled: WaitingIcon,
  dispatched: SentIcon,
  accepted: WorkingIcon,
  submitted: SubmittedIcon,
  verified: CheckIcon,
  closed: CheckIcon,
  returned: ReturnIcon,
  suspended: PauseIcon,
  cancelled: CrossIcon,
};

export function TaskStateIcon({ state, late = false, size }: { state: TaskState; late?: boolean; size?: number }) {
  const Icon = late ? ClockIcon : ICONS[state];
  return <Icon size={size} />;
}

export function TaskStateWord({ task, now }: { task: Task; now: number }) {
  const { t } = useWords();
  const late = lateKey(task, now);
  return (
    <span className="status" data-tone={tone(task, now)}>
      <TaskStateIcon state={task.state} late={late !== null} />
      {t(stateKey(task))}
      {late !== null && ` · ${t(late)}`}
    </span>
  );
}
