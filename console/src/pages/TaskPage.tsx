/** A task by its own address: the same as its sheet in the incident, with room. */

import { Link, useParams } from "wouter";
import { useTask } from "../api/queries";
import { useWords } from "../i18n";
import { Failure, Loading, Panel } from "../ui/states";
import { TaskView } from "../ui/TaskPanel";

export default function TaskPage() {
  const { t, say } = useWords();
  const { id = "" } = useParams<{ id: string }>();
  const task = useTask(decodeURIComponent(id));
  if (!task.data)
    return (
      <div className="page">
        <Panel>{task.error ? <Failure error={task.error} retry={() => void task.refetch()} /> : <Loading />}</Panel>
      </div>
    );
  return (
    <div className="page task-page">
      <div>
        <div className="crumbs">
          <Link href="/tasks">{t("nav.tasks")}</Link> / {say(task.data.unit_title)}
        </div>
        <h1 style={{ fontSize: 20, margin: 0 }}>{say(task.data.title)}</h1>
      </div>
      <Panel>
        <TaskView task={task.data} inIncident={false} />
      </Panel>
    </div>
  );
}
