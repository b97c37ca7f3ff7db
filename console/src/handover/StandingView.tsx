/** What stands, as the city drew it up: the gravest first, each line leading to the matter itself. */

import type { ReactNode } from "react";
import { Link } from "wouter";
import { Severity } from "../ui/Severity";
import { SourceStateWord } from "../ui/SourceState";
import { Moment } from "../ui/Time";
import { COUNTS, type OpenIncident, type Standing, type TaskClockRow } from "./queries";
import { useHandoverWords } from "./words";

/** The button beside an alert or incident that pins it; nothing where nothing can be pinned. */
export type PinButton = (kind: "alert" | "incident", id: string) => ReactNode;

export function StandingView({ standing, pin = () => null }: { standing: Standing; pin?: PinButton }) {
  const { h, say, number } = useHandoverWords();
  const { alerts, incidents, suppressions, sources, shift } = standing;
  const counted = (n: number, more = false) => (more && n > 0 ? h("atLeast", { n: number(n, 0) }) : number(n, 0));
  return (
    <div className="standing" data-testid="standing">
      <Part title={h("happened")} total={null}>
        <ul className="counts">
          {COUNTS.map((name) => (
            <li key={name}>
              <strong className="numeric">{counted(shift.counts[name], shift.more)}</strong> {h(`count.${name}`)}
            </li>
          ))}
        </ul>
      </Part>
      <Part
        title={h("alerts")}
        of={alerts}
        total={alerts && counted(alerts.total, alerts.more)}
        all="/command"
        none={h("alerts.none")}
      >
        {alerts && (
          <ul className="lines" data-testid="standing-alerts">
            {alerts.items.map((one) => (
              <li key={one.id}>
                <span className="line">
                  <Severity level={one.level} />
                  <Link href={`/alerts/${one.id}`}>
                    {say(one.kind_title)} · {say(one.subject.name)}
                  </Link>
                </span>
                <span className="quiet">
                  <Moment at={one.raised_at} shape="short" />
                </span>
                {pin("alert", one.id)}
              </li>
            ))}
          </ul>
        )}
      </Part>
      <Part title={h("incidents")} of={incidents} all="/incidents" none={h("incidents.none")}>
        {incidents && (
          <ul className="lines" data-testid="standing-incidents">
            {incidents.items.map((one) => (
              <IncidentLine key={one.id} one={one} pin={pin} />
            ))}
          </ul>
        )}
      </Part>
      <Part title={h("suppressions")} of={suppressions} all="/alarms" none={h("suppressions.none")}>
        {suppressions && (
          <ul className="lines">
            {suppressions.items.map((one) => (
              <li key={one.id}>
                <span>
                  {say(one.kind_title)}
                  {one.subject && ` · ${say(one.subject.name)}`}
                  <span className="quiet">
                    {" "}
                    · {one.reason} · {say(one.by.name)}
                  </span>
                </span>
                <span>
                  <span className="quiet">{h("suppressions.until")}</span> <Moment at={one.until} shape="short" />
                </span>
              </li>
            ))}
          </ul>
        )}
      </Part>
      <Part title={h("sources")} of={sources} all="/sources" none={h("sources.none")}>
        {sources && (
          <ul className="lines">
            {sources.items.map((one) => (
              <li key={one.id}>
                <span className="line">
                  <SourceStateWord state={one.state} />
                  <Link href={`/sources/${encodeURIComponent(one.id)}`}>{say(one.title)}</Link>
                  <span className="quiet">
                    {say(one.department_title)} · {say(one.reason)}
                  </span>
                </span>
                <span className="quiet">
                  {h("sources.last")} <Moment at={one.last_delivery_at} shape="short" />
                </span>
              </li>
            ))}
          </ul>
        )}
      </Part>
    </div>
  );
}

function Part({
  title,
  of,
  total = of ? String(of.total) : null,
  none,
  all,
  children,
}: {
  title: string;
  of?: { total: number; items: readonly unknown[]; more?: boolean } | null;
  total?: string | null;
  none?: string;
  /** Where all of them are listed, when these are not all. */
  all?: string;
  children: ReactNode;
}) {
  const { h } = useHandoverWords();
  return (
    <section>
      <h3>
        {title} {total !== null && <span className="quiet numeric">{total}</span>}
      </h3>
      {of === null ? (
        <span className="quiet">{h("stands.hidden")}</span>
      ) : of !== undefined && of.items.length === 0 ? (
        <span className="quiet">{none}</span>
      ) : (
        children
      )}
      {of && of.total > of.items.length && of.items.length > 0 && (
        <span className="quiet" data-testid="standing-more">
          {of.more ? h("moreThan", { n: of.items.length }) : h("more", { rest: of.total - of.items.length })}
          {all && (
            <>
              {" "}
              <Link href={all}>{h("wholeList")}</Link>
            </>
          )}
        </span>
      )}
    </section>
  );
}

function IncidentLine({ one, pin }: { one: OpenIncident; pin: PinButton }) {
  const { h, say } = useHandoverWords();
  return (
    <li>
      <span>
        <span className="line">
          <Severity level={one.level} />
          <Link href={`/incidents/${one.id}`}>{say(one.title)}</Link>
          <span className="quiet">{h("incidents.open", { n: one.open })}</span>
        </span>
        {[...one.late.map((task) => ({ task, late: true })), ...one.next.map((task) => ({ task, late: false }))].map(
          ({ task, late }) => (
            <TaskLine key={task.id} incident={one.id} task={task} late={late} />
          ),
        )}
      </span>
      <span className="quiet">
        <Moment at={one.opened_at} shape="short" />
      </span>
      {pin("incident", one.id)}
    </li>
  );
}

function TaskLine({ incident, task, late }: { incident: string; task: TaskClockRow; late: boolean }) {
  const { h, say } = useHandoverWords();
  return (
    <span className="task-line">
      <span className={late ? "late" : "quiet"}>{h(late ? "incidents.late" : "incidents.next")}</span>{" "}
      <Link href={`/incidents/${incident}?task=${encodeURIComponent(task.id)}`}>{say(task.title)}</Link>{" "}
      <span className="quiet">
        {say(task.unit_title)} · <Moment at={task.at} shape="short" /> {h(`incidents.${task.clock}`)}
      </span>
    </span>
  );
}
