/** Open tasks by state and by department; what is late stands first in every bar, marked by its own shape. */

import type { TaskState } from "../api/types";
import { ClockIcon } from "../ui/icons";
import { TaskStateIcon } from "../ui/TaskState";
import { Bar, Big, Given, Nothing, Pane } from "./parts";
import type { useGlance } from "./queries";
import { pageOf, useRoom } from "./turning";
import { useWallWords } from "./words";

const STATES = ["dispatched", "accepted", "submitted", "returned", "suspended", "scheduled"] as const;
const ROW = 2.6;

export function Tasks({ glance, turn, on }: { glance: ReturnType<typeof useGlance>; turn: number; on: boolean }) {
  const { t, w, say, number } = useWallWords();
  const [box, room] = useRoom<HTMLDivElement>(ROW);
  const tasks = glance.data?.tasks ?? null;
  const departments = tasks?.departments ?? [];
  const page = pageOf(departments, room, turn);
  const most = departments.reduce((so, { open }) => Math.max(so, open), 0);
  const states = STATES.filter((state: TaskState) => (tasks?.states[state] ?? 0) > 0);
  return (
    <Pane name="tasks" title={w("tasks.title")} of={[glance]} page={page} on={on}>
      <Given of={glance} closed={glance.data?.tasks === null}>
        {() =>
          tasks === null || tasks.open === 0 ? (
            <Nothing title={w("tasks.none")}>{w("tasks.noneWhy")}</Nothing>
          ) : (
            <>
              <dl className="wall-bigs">
                <Big value={number(tasks.open, 0)} name={w("tasks.open")} />
                <Big value={number(tasks.late, 0)} name={w("tasks.late")} late={tasks.late > 0} />
              </dl>
              <h3 className="unseen">{w("tasks.states")}</h3>
              <ul className="wall-states">
                {states.map((state) => (
                  <li key={state}>
                    <TaskStateIcon state={state} />
                    {t(`task.${state}`)}
                    <strong className="numeric">{number(tasks.states[state], 0)}</strong>
                  </li>
                ))}
              </ul>
              <h3 className="unseen">{w("tasks.departments")}</h3>
            </>
          )
        }
      </Given>
      <div className="wall-list" ref={box}>
        <ul>
          {page.shown.map(({ code, title, open, late }) => (
            <li key={code} className="wall-row" data-testid="wall-department" data-late={late > 0}>
              <span className="wall-name">{say(title)}</span>
              <Bar whole={open} late={late} most={most} />
              <strong className="numeric">{number(open, 0)}</strong>
              <span className="wall-late numeric">
                {late > 0 && (
                  <>
                    <ClockIcon />
                    {w("tasks.lateN", { n: number(late, 0) })}
                  </>
                )}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </Pane>
  );
}
