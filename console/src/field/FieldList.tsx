/** What is to be done, most pressing first; above it what the city refused, below it what is handed in. */

import { Button } from "@mantine/core";
import { Link } from "wouter";
import type { Task } from "../api/types";
import type { Key } from "../i18n";
import { cityTime } from "../time/format";
import { finished, running, tone } from "../ui/deadlines";
import { Empty, Panel } from "../ui/states";
import { TaskStateWord } from "../ui/TaskState";
import { useField } from "./context";
import { FieldClock } from "./FieldClock";
import { fieldVerbs, projected, toSend } from "./queue";
import { Refused } from "./Refused";
import { refusedIn } from "./sync";
import { useFieldWords } from "./words";

export function FieldList() {
  const { f } = useFieldWords();
  const { shown, now } = useField();
  const { kept } = shown;
  const acts = [...kept.acts.values()];
  const tasks = [...kept.tasks.values()].map((task) => projected(task, acts));
  const pressing = (task: Task) => running(task, 0)?.at ?? Date.parse(task.due ?? "9999-01-01");
  const sorted = tasks.sort((a, b) => pressing(a) - pressing(b));
  const todo = sorted.filter((task) => !finished(task) && fieldVerbs(task).length > 0);
  const later = sorted.filter((task) => !finished(task) && fieldVerbs(task).length === 0);
  const done = sorted.filter(finished).reverse();
  const waiting = new Set(toSend(acts).map(({ task }) => task));
  const rows = (some: Task[], label: string) => (
    <ul className="field-list" aria-label={label}>
      {some.map((task) => (
        <Row key={task.id} task={task} waiting={waiting.has(task.id)} now={now} />
      ))}
    </ul>
  );
  return (
    <>
      <RefusedOnes />
      <h1 className="field-title">
        {f("list.todo")} <span className="numeric">{todo.length}</span>
      </h1>
      {todo.length === 0 ? (
        <Panel>
          <Empty title={f("list.empty")}>{f("list.emptyWhy")}</Empty>
        </Panel>
      ) : (
        rows(todo, f("list.todo"))
      )}
      <Queue />
      {later.length > 0 && (
        <section>
          <h2>
            {f("list.later")} <span className="numeric">{later.length}</span>
          </h2>
          {rows(later, f("list.later"))}
        </section>
      )}
      {done.length > 0 && (
        <details>
          <summary className="thumb">
            {f("list.done")} <span className="numeric">{done.length}</span>
          </summary>
          {rows(done, f("list.done"))}
        </details>
      )}
    </>
  );
}

function Row({ task, waiting, now }: { task: Task; waiting: boolean; now: number }) {
  const { say, t, f } = useFieldWords();
  return (
    <li>
      <Link
        href={`/field/${encodeURIComponent(task.id)}`}
        className="field-row"
        data-testid="field-row"
        data-task={task.id}
        data-state={task.state}
        data-tone={tone(task, now)}
      >
        <span className="field-row-title">{say(task.title)}</span>
        {task.incident_title && <span className="quiet">{say(task.incident_title)}</span>}
        <span className="line">
          {task.round > 1 && <span className="tag">{t("task.round", { n: task.round })}</span>}
          {waiting && (
            <span className="tag" data-tone="accent" data-testid="row-waiting">
              {f("state.waitingAct")}
            </span>
          )}
        </span>
        <span className="line" style={{ justifyContent: "space-between" }}>
          <TaskStateWord task={task} now={now} />
          <FieldClock task={task} />
        </span>
      </Link>
    </li>
  );
}

function RefusedOnes() {
  const { f } = useFieldWords();
  const { shown } = useField();
  const refused = refusedIn(shown.kept);
  if (refused.length === 0) return null;
  return (
    <section className="field-refused" aria-live="polite">
      <h2>{f("refused.title", { n: refused.length })}</h2>
      {refused.map((act) => (
        <Refused key={act.id} act={act} link />
      ))}
    </section>
  );
}

/** What waits to be sent, in its order. */
function Queue() {
  const { f, t, say } = useFieldWords();
  const { shown, sync, zone } = useField();
  const waiting = toSend(shown.kept.acts.values());
  if (waiting.length === 0) return null;
  return (
    <section data-testid="field-queue">
      <h2>
        {f("queue.title")} <span className="numeric">{waiting.length}</span>
      </h2>
      <ol className="field-queue">
        {waiting.map((act) => (
          <li key={act.id} data-testid="queued" data-verb={act.verb}>
            <span>{say(act.title)}</span>
            <span className="quiet">
              {f("queue.pressed", { verb: t(`act.${act.verb}` as Key), time: cityTime(act.at, zone, "short") })}
              {act.photos.length > 0 &&
                ` · ${f("queue.photos", { sent: act.photos.filter(({ sent }) => sent).length, n: act.photos.length })}`}
            </span>
          </li>
        ))}
      </ol>
      <span className="quiet">{f("queue.why")}</span>{" "}
      <Button size="md" variant="default" onClick={() => void sync.run()}>
        {f("link.retry")}
      </Button>
    </section>
  );
}
