import { Button } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { useIncidents, useMay } from "../api/queries";
import type { Incident, TaskState } from "../api/types";
import { useWords } from "../i18n";
import { Severity } from "../ui/Severity";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { TaskStateIcon } from "../ui/TaskState";
import { Moment } from "../ui/Time";

const OpenIncident = lazy(() => import("../incidents/OpenIncident"));

const STATES = ["open", "closed", "all"] as const;
const SHOWN: TaskState[] = [
  "scheduled",
  "dispatched",
  "accepted",
  "submitted",
  "returned",
  "suspended",
  "verified",
  "closed",
  "cancelled",
];

export default function Incidents() {
  const { t, say } = useWords();
  const [, go] = useLocation();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") ?? "open";
  const incidents = useIncidents(state);
  const mayOpen = useMay("incident.dispatch");
  const [opening, setOpening] = useState(false);
  return (
    <div className="page">
      {opening && (
        <Suspense fallback={null}>
          <OpenIncident close={() => setOpening(false)} />
        </Suspense>
      )}
      <div className="head">
        <h1 style={{ fontSize: 20, margin: 0 }}>{t("nav.incidents")}</h1>
        <span className="line">
          {mayOpen && (
            <Button size="xs" variant="default" data-testid="incident-open" onClick={() => setOpening(true)}>
              {t("incidents.openOne")}
            </Button>
          )}
          <Button.Group>
            {STATES.map((one) => (
              <Button
                key={one}
                size="xs"
                variant={state === one ? "filled" : "default"}
                aria-pressed={state === one}
                onClick={() => setParams(one === "open" ? {} : { state: one })}
              >
                {t(`incidents.${one}`)}
              </Button>
            ))}
          </Button.Group>
        </span>
      </div>
      <Panel>
        <Shown of={incidents} lines={6}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title={t("incidents.empty")}>{t("incidents.emptyWhy")}</Empty>
            ) : (
              <div className="flush">
                <Table>
                  <thead>
                    <tr>
                      <th data-cell="plain">{t("incidents.level")}</th>
                      <th data-cell="title">{t("incidents.title")}</th>
                      <th data-cell="plain">{t("incidents.tasks")}</th>
                      <th className="right">{t("incidents.late")}</th>
                      <th>{t("incidents.openedAt")}</th>
                      {state !== "open" && <th>{t("incidents.closedAt")}</th>}
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((incident) => (
                      <tr
                        key={incident.id}
                        data-link
                        data-testid="incident-row"
                        onClick={() => go(`/incidents/${incident.id}`)}
                      >
                        <td>
                          <Severity level={incident.level} />
                        </td>
                        <td>
                          <Link href={`/incidents/${incident.id}`} onClick={(event) => event.stopPropagation()}>
                            {say(incident.title)}
                          </Link>
                        </td>
                        <td>
                          <TaskCounts incident={incident} />
                        </td>
                        <td className={`right ${incident.late > 0 ? "late" : ""}`}>{incident.late}</td>
                        <td>
                          <Moment at={incident.opened_at} ago={incident.state === "open"} />
                        </td>
                        {state !== "open" && (
                          <td>
                            <Moment at={incident.closed_at} />
                          </td>
                        )}
                      </tr>
                    ))}
                  </tbody>
                </Table>
              </div>
            )
          }
        </Shown>
      </Panel>
    </div>
  );
}

export function TaskCounts({ incident }: { incident: Incident }) {
  const { t } = useWords();
  return (
    <span className="line">
      {SHOWN.filter((state) => (incident.tasks[state] ?? 0) > 0).map((state) => (
        <span key={state} className="status" title={t(`task.${state}`)}>
          <TaskStateIcon state={state} />
          <span className="numeric">{incident.tasks[state]}</span>
          <span className="quiet">{t(`task.${state}`)}</span>
        </span>
      ))}
    </span>
  );
}
