/** A running plan as a timeline: each task's bar between its clocks, parallel branches under one another. */

import type { Run, Task } from "../api/types";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { cityTime, countdown, duration, zoneOffset } from "../time/format";
import { finished, lateKey, lateness, running, stages, stateKey, tone } from "./deadlines";
import { afterWords } from "./steps";
import { TaskStateIcon } from "./TaskState";
import { Moment, useZone } from "./Time";

interface Scale {
  from: number;
  to: number;
}

const HOUR = 3_600_000;
const STEPS = [HOUR / 4, HOUR / 2, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 168 * HOUR];

function scaleOf(run: Run, now: number): Scale {
  const from = Date.parse(run.started_at);
  const times = run.tasks
    .flatMap(({ planned_at, due, accept_due, closed_at }) => [planned_at, due, accept_due, closed_at])
    .flatMap((time) => (time === null ? [] : [Date.parse(time)]));
  const end = run.closed_at === null ? Math.min(now, Math.max(from, ...times) + 6 * HOUR) : Date.parse(run.closed_at);
  const to = Math.max(from + HOUR, end, ...times);
  return { from, to: to + (to - from) * 0.04 };
}

const share = ({ from, to }: Scale, at: number) =>
  `${(100 * (Math.min(to, Math.max(from, at)) - from)) / (to - from)}%`;
const span = (scale: Scale, from: number, to: number) => ({
  left: share(scale, from),
  width: `${Math.max(0.3, (100 * (Math.min(scale.to, to) - Math.max(scale.from, from))) / (scale.to - scale.from))}%`,
});

export function Timeline({ run, open, select }: { run: Run; open: string | null; select: (id: string) => void }) {
  const { t, say } = useWords();
  const now = useNow();
  const zone = useZone();
  const scale = scaleOf(run, now);
  const step = STEPS.find((one) => (scale.to - scale.from) / one <= 8) ?? 168 * HOUR;
  const offset = zoneOffset(scale.from, zone);
  const ticks: number[] = [];
  for (let at = Math.ceil((scale.from + offset) / step) * step - offset; at < scale.to; at += step) ticks.push(at);
  const groups = stages(run.tasks);
  const titles = new Map(run.tasks.map(({ step: id, title }) => [id, say(title)]));
  return (
    <div className="timeline">
      <div className="grid">
        <div style={{ padding: "0 12px" }} className="quiet">
          {t("timeline.task")}
        </div>
        <div className="axis">
          {ticks.map((at) => (
            <span key={at} style={{ left: share(scale, at) }}>
              {cityTime(at, zone, "short")}
            </span>
          ))}
        </div>
        <div style={{ padding: "0 12px", textAlign: "right" }} className="quiet">
          {t("timeline.clock")}
        </div>
        {groups.map((tasks, depth) => (
          <Stage
            key={depth}
            depth={depth}
            tasks={tasks}
            titles={titles}
            scale={scale}
            now={now}
            open={open}
            select={select}
          />
        ))}
      </div>
    </div>
  );
}

function Stage({
  depth,
  tasks,
  titles,
  scale,
  now,
  open,
  select,
}: {
  depth: number;
  tasks: Task[];
  titles: Map<string, string>;
  scale: Scale;
  now: number;
  open: string | null;
  select: (id: string) => void;
}) {
  const { t, say } = useWords();
  if (tasks.length === 0) return null;
  const branches = new Set(tasks.map(({ step }) => step)).size;
  return (
    <>
      <div className="stage">
        {t(branches > 1 ? "timeline.parallel" : "timeline.stage", { n: depth + 1, branches })}
      </div>
      {tasks.map((task) => {
        const late = lateKey(task, now);
        return (
          <button
            key={task.id}
            type="button"
            className="row"
            data-testid="task-row"
            data-task={task.id}
            data-state={task.state}
            aria-expanded={open === task.id}
            onClick={() => select(task.id)}
          >
            <span className="what">
              <span className={`status${late !== null ? " late" : ""}`} style={{ gridRow: "span 2" }}>
                <TaskStateIcon state={task.state} late={late !== null} size={18} />
              </span>
              <span>
                {say(task.title)}
                {task.round > 1 && <span className="tag">{t("task.round", { n: task.round })}</span>}
              </span>
              <span className="unit">
                {say(task.unit_title)} · {t(stateKey(task))}
                {late !== null && ` · ${t(late)}`}
                {task.after.length > 0 && task.state === "scheduled" && ` · ${afterWords(task.after, titles, t)}`}
              </span>
            </span>
            <Track task={task} scale={scale} now={now} />
            <TaskClock task={task} now={now} />
          </button>
        );
      })}
    </>
  );
}

function Track({ task, scale, now }: { task: Task; scale: Scale; now: number }) {
  const ms = (at: string | null) => (at === null ? null : Date.parse(at));
  const planned = ms(task.planned_at);
  const sent = ms(task.dispatched_at);
  const end = ms(task.submitted_at) ?? ms(task.closed_at) ?? (finished(task) ? sent : now);
  const due = ms(task.due);
  const accept = ms(task.accept_due);
  return (
    <span className="track" aria-hidden="true">
      {sent === null && planned !== null && (
        <span className="wait" style={span(scale, scale.from, Math.max(planned, scale.from))} />
      )}
      {due !== null && <span className="allowed" style={span(scale, sent ?? planned ?? scale.from, due)} />}
      {sent !== null && end !== null && (
        <span className="work" data-tone={tone(task, now)} style={span(scale, sent, Math.max(sent, end))} />
      )}
      {accept !== null && <span className="mark" data-kind="accept" style={{ left: share(scale, accept) }} />}
      {due !== null && <span className="mark" data-kind="due" style={{ left: share(scale, due) }} />}
      {task.escalations
        .filter(({ fired_at }) => fired_at !== null)
        .map(({ at, to }) => (
          <span key={`${at}${to}`} className="mark" data-kind="rung" style={{ left: share(scale, Date.parse(at)) }} />
        ))}
      {now >= scale.from && now <= scale.to && <span className="now" style={{ left: share(scale, now) }} />}
    </span>
  );
}

/** The clock that runs for a task, ticking with the city; when none runs, what happened or what is planned. */
export function TaskClock({ task, now }: { task: Task; now: number }) {
  const { t, language } = useWords();
  const clock = running(task, now);
  const late = lateness(task, now);
  if (clock !== null) {
    const word = clock.kind === "accept" ? "clock.accept" : "clock.due";
    const left = countdown(clock.left, language);
    return (
      <span className="due numeric" data-tone={clock.left < 0 ? "late" : undefined}>
        <span>{clock.left < 0 ? t("clock.over", { length: left }) : left}</span>
        <span className="quiet">
          {t(word)} <Moment at={new Date(clock.at).toISOString()} shape="short" />
        </span>
      </span>
    );
  }
  return (
    <span className="due numeric" data-tone={late !== null ? "late" : undefined}>
      <span>{late !== null ? t("clock.wasOver", { length: duration(late / 1000, language) }) : t(stateKey(task))}</span>
      <span className="quiet">
        <Moment at={task.closed_at ?? task.submitted_at ?? task.planned_at} shape="short" />
      </span>
    </span>
  );
}
