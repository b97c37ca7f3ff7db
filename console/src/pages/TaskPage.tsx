/** A task by its own address leads to its place in the incident. */

import { Redirect, useParams } from "wouter";
import { useTask } from "../api/queries";
import { Failure, Loading, Panel } from "../ui/states";

export default function TaskPage() {
  const { id = "" } = useParams<{ id: string }>();
  const task = useTask(decodeURIComponent(id));
  if (task.data) return <Redirect to={`/incidents/${task.data.incident_id}?task=${task.data.id}`} replace />;
  return (
    <div className="page">
      <Panel>{task.error ? <Failure error={task.error} retry={() => void task.refetch()} /> : <Loading />}</Panel>
    </div>
  );
}
