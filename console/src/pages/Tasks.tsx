/** A department's inbox: what is to be done, most pressing first; made for a phone as much as for a desk. */

import { Button } from "@mantine/core";
import { useMemo } from "react";
import { useSearchParams } from "wouter";
import { useClosedTasks, useOpenTasks, useSession } from "../api/queries";
import type { Task } from "../api/types";
import { useWords } from "../i18n";
import { AcceptAll } from "../inbox/AcceptAll";
import { useNow } from "../live/LiveProvider";
import { finished, running, tone } from "../ui/deadlines";
import { Empty, Panel, Shown } from "../ui/states";
import { TaskSheet } from "../ui/TaskPanel";
import { TaskStateWord } from "../ui/TaskState";
import { TaskClock } from "../ui/Timeline";

const VIEWS = ["todo", "waiting", "done"] as const;
type View = (typeof VIEWS)[number];

function viewOf(task: Task): View {
  if (finished(task)) return "done";
  return task.state === "dispatched" || task.state === "accepted" || task.actions.length > 0 ? "todo" : "waiting";
}

export default function Tasks() {
  const { t, say } = useWords();
  const [params, setParams] = useSearchParams();
  const now = useNow();
  const actor = useSession().data?.actor;
  const view = (VIEWS as readonly string[]).includes(params.get("view") ?? "") ? (params.get("view") as View) : "todo";
  const open = params.get("task");
  const opened = useOpenTasks();
  const closed = useClosedTasks(actor?.department ?? null, view === "done");
  const tasks = view === "done" ? closed : opened;
  const all = tasks.data?.items;
  const shown = useMemo(() => {
    const pressing = (task: Task) => running(task, 0)?.at ?? Date.parse(task.due ?? task.planned_at ?? "9999-01-01");
    const sign = view === "done" ? -1 : 1;
    return (all ?? []).filter((task) => viewOf(task) === view).sort((a, b) => sign * (pressing(a) - pressing(b)));
  }, [all, view]);
  const change = (set: Record<string, string | null>) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        for (const [key, value] of Object.entries(set)) value === null ? after.delete(key) : after.set(key, value);
        return after;
      },
      { replace: true },
    );
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{t("nav.tasks")}</h1>
          <span className="quiet">{actor?.department_title ? say(actor.department_title) : t("tasks.all")}</span>
          {actor?.permissions.includes("task.act") && (
            <a className="to-field" href="/field" data-testid="to-field">
              {t("nav.field")}
            </a>
          )}
        </div>
        <div className="line">
          {view === "todo" && <AcceptAll tasks={shown} now={now} />}
          <Button.Group>
            {VIEWS.map((one) => (
              <Button
                key={one}
                size="sm"
                variant={view === one ? "filled" : "default"}
                aria-pressed={view === one}
                onClick={() => change({ view: one === "todo" ? null : one, task: null })}
              >
                {t(`tasks.${one}`)} {one !== "done" && opened.data?.items.filter((task) => viewOf(task) === one).length}
              </Button>
            ))}
          </Button.Group>
        </div>
      </div>
      <Shown of={tasks} lines={6}>
        {() =>
          shown.length === 0 ? (
            <Panel>
              <Empty title={t(`tasks.empty.${view}`)}>{t("tasks.emptyWhy")}</Empty>
            </Panel>
          ) : (
            <ul className="inbox" aria-label={t("nav.tasks")}>
              {shown.map((task) => (
                <li key={task.id}>
                  <button
                    type="button"
                    data-testid="task-row"
                    data-task={task.id}
                    data-state={task.state}
                    data-tone={tone(task, now)}
                    onClick={() => change({ task: task.id })}
                  >
                    <span style={{ fontSize: 14, fontWeight: 600 }}>
                      {say(task.title)}{" "}
                      {task.round > 1 && <span className="tag">{t("task.round", { n: task.round })}</span>}
                    </span>
                    {task.incident_title && <span className="quiet">{say(task.incident_title)}</span>}
                    {actor?.department === null && <span className="quiet">{say(task.unit_title)}</span>}
                    <span
                      className="line"
                      style={{ justifyContent: "space-between", marginTop: "auto", width: "100%" }}
                    >
                      <TaskStateWord task={task} now={now} />
                      <TaskClock task={task} now={now} />
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
      <TaskSheet
        task={all?.find(({ id }) => id === open) ?? null}
        close={() => change({ task: null })}
        inIncident={false}
      />
    </div>
  );
}
