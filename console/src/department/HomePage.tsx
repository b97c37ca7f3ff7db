/** A department's own page, where a clerk's day begins: what is to be done, who is on duty, how it scores, its data. */

import { type ReactNode, useMemo } from "react";
import { Link, useLocation, useParams } from "wouter";
import { useToday } from "../account/parts";
import { bounds, periodOf } from "../account/period";
import { useAppeals, useScores, useSeesAppeals } from "../account/queries";
import { type DepartmentScore, RATES, type Scores } from "../account/types";
import { useAccountWords } from "../account/words";
import { get, Problem } from "../api/client";
import { useDepartments, useMay, useSession } from "../api/queries";
import type { Page, Task } from "../api/types";
import { type Roster, useRoster } from "../duty/duty";
import { Quality, StateWord } from "../flow/parts";
import { useDepartmentFlow } from "../flow/queries";
import { AcceptAll } from "../inbox/AcceptAll";
import { useUnread } from "../inbox/queries";
import { useNow } from "../live/LiveProvider";
import { dayStart } from "../time/format";
import { lateness, running, tone } from "../ui/deadlines";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { TaskStateWord } from "../ui/TaskState";
import { Moment, useZone } from "../ui/Time";
import { TaskClock } from "../ui/Timeline";
import "./home.css";
import { useQuery } from "@tanstack/react-query";
import { useHomeWords } from "./words";

const TASKS = 8;
const DAYS = 7;

export default function HomePage() {
  const { code: named = "" } = useParams<{ code: string }>();
  const code = decodeURIComponent(named);
  const { h, say } = useHomeWords();
  const departments = useDepartments();
  const found = departments.data?.find((one) => one.code === code);
  const mayTasks = useMay("task.read");
  const mayDuty = useMay("duty.read");
  const mayScores = useMay("score.read");
  const maySources = useMay("source.read");
  if (departments.data === undefined)
    return (
      <div className="page">
        <Panel>
          {departments.error ? (
            <Failure error={departments.error} retry={() => void departments.refetch()} />
          ) : (
            <Loading lines={8} />
          )}
        </Panel>
      </div>
    );
  if (found === undefined)
    return (
      <div className="page">
        <Panel>
          <Empty title={h("missing", { code })}>{h("missingWhy")}</Empty>
        </Panel>
      </div>
    );
  return (
    <div className="page department-home" data-testid="department-home">
      <div className="head">
        <h1 style={{ fontSize: 20, margin: 0 }}>{say(found.title)}</h1>
        <Often code={code} />
      </div>
      <div className="department-grid">
        {mayTasks && <ToDo code={code} />}
        <div className="department-side">
          {mayDuty && <Duty code={code} />}
          {mayScores && <Score code={code} />}
        </div>
      </div>
      {maySources && <Data code={code} />}
    </div>
  );
}

function Often({ code }: { code: string }) {
  const { h, number } = useHomeWords();
  const mine = useSession().data?.actor.department === code;
  const unread = useUnread().data ?? 0;
  const act = useMay("task.act");
  const datasets = useMay("dataset.read");
  return (
    <nav className="line" aria-label={h("links.title")}>
      {mine && (
        <Link href="/inbox">
          {h("links.inbox")}
          {unread > 0 && ` (${number(unread, 0)})`}
        </Link>
      )}
      {mine && act && <a href="/field">{h("links.field")}</a>}
      {datasets && <Link href="/catalogue">{h("links.catalogue")}</Link>}
    </nav>
  );
}

/** The open tasks of the department, the most pressing first. */
function ToDo({ code }: { code: string }) {
  const { h, say, number } = useHomeWords();
  const now = useNow();
  const mine = useSession().data?.actor.department === code;
  const tasks = useQuery({
    queryKey: ["tasks", "of", code],
    queryFn: () => get<Page<Task>>("/api/tasks", { unit: code, over: false, limit: 200 }),
  });
  const items = tasks.data?.items;
  const pressing = useMemo(() => {
    const at = (task: Task) => running(task, 0)?.at ?? Date.parse(task.due ?? task.planned_at ?? "9999-01-01");
    return [...(items ?? [])].filter(({ state }) => state !== "scheduled").sort((a, b) => at(a) - at(b));
  }, [items]);
  const late = pressing.filter((task) => lateness(task, now) !== null).length;
  const unsigned = pressing.filter(({ state }) => state === "dispatched").length;
  return (
    <Panel
      title={h("tasks.title")}
      aside={
        <span className="line">
          {mine && <AcceptAll tasks={pressing} now={now} />}
          <Link href="/tasks">{h("tasks.all")}</Link>
        </span>
      }
    >
      <Shown of={tasks} lines={8}>
        {() =>
          pressing.length === 0 ? (
            <Empty title={h("tasks.none")}>{h("tasks.noneWhy")}</Empty>
          ) : (
            <>
              <dl className="department-figures" data-testid="home-figures">
                <Figure name={h("tasks.open")}>{number(pressing.length, 0)}</Figure>
                <Figure name={h("tasks.unsigned")}>{number(unsigned, 0)}</Figure>
                <Figure name={h("tasks.late")} late={late > 0}>
                  {number(late, 0)}
                </Figure>
              </dl>
              <ul className="department-tasks">
                {pressing.slice(0, TASKS).map((task) => (
                  <li key={task.id} data-tone={tone(task, now)} data-testid="home-task">
                    <Link href={mine ? `/tasks?task=${encodeURIComponent(task.id)}` : `/tasks/${task.id}`}>
                      {say(task.title)}
                    </Link>
                    {task.incident_title && <span className="quiet">{say(task.incident_title)}</span>}
                    <span className="line">
                      <TaskStateWord task={task} now={now} />
                      <TaskClock task={task} now={now} />
                    </span>
                  </li>
                ))}
              </ul>
              {pressing.length > TASKS && (
                <p className="body">
                  <Link href="/tasks">{h("tasks.more", { n: number(pressing.length - TASKS, 0) })}</Link>
                </p>
              )}
            </>
          )
        }
      </Shown>
    </Panel>
  );
}

function Figure({ name, late = false, children }: { name: string; late?: boolean; children: ReactNode }) {
  return (
    <div data-late={late}>
      <dt>{name}</dt>
      <dd className="numeric">{children}</dd>
    </div>
  );
}

/** Who is on duty, and who comes next. */
function Duty({ code }: { code: string }) {
  const { h } = useHomeWords();
  const zone = useZone();
  const today = useToday();
  const from = dayStart(today, zone);
  const to = new Date(Date.parse(from) + DAYS * 86_400_000).toISOString();
  const roster = useRoster(code, from, to);
  return (
    <Panel title={h("duty.title")} aside={<Link href="/duty">{h("duty.all")}</Link>}>
      <Shown of={roster} lines={3}>
        {(found) => <Watches roster={found} />}
      </Shown>
    </Panel>
  );
}

function Watches({ roster }: { roster: Roster }) {
  const { h, say, t } = useHomeWords();
  const now = useNow();
  if (roster.shifts.length === 0) return <Empty title={h("duty.none")} />;
  const names = (people: Roster["watches"][number]["people"]) =>
    people.map(({ name }) => say(name)).join(t("listComma")) || h("duty.nobody");
  const titles = new Map(roster.shifts.map(({ id, title }) => [id, title]));
  const present = roster.watches.filter(({ from, to }) => Date.parse(from) <= now && now < Date.parse(to));
  const next = roster.watches.filter(({ from }) => Date.parse(from) > now).slice(0, 3);
  const gaps = roster.gaps.filter(({ to }) => Date.parse(to) > now).length;
  return (
    <dl className="department-duty">
      <dt>{h("duty.now")}</dt>
      {present.length === 0 ? (
        <dd>
          <strong className="department-late">{h("duty.nobody")}</strong>
        </dd>
      ) : (
        present.map((watch) => (
          <dd key={`${watch.shift}${watch.from}`}>
            <strong>{names(watch.people)}</strong> <span className="quiet">{say(titles.get(watch.shift) ?? {})}</span>
          </dd>
        ))
      )}
      {next.length > 0 && <dt>{h("duty.next")}</dt>}
      {next.map((watch) => (
        <dd key={`${watch.shift}${watch.from}`}>
          <Moment at={watch.from} shape="short" /> {names(watch.people)}
        </dd>
      ))}
      {gaps > 0 && <dd className="department-late">{h("duty.gaps", { n: gaps })}</dd>}
    </dl>
  );
}

/** The score of the last thirty days; every rate leads to the tasks behind it. */
function Score({ code }: { code: string }) {
  const { h } = useHomeWords();
  const today = useToday();
  const zone = useZone();
  const { from, to } = useMemo(() => bounds(periodOf(new URLSearchParams(), today), zone), [today, zone]);
  const scores = useScores(from, to, null);
  return (
    <Panel title={h("scores.title")} aside={<Link href="/scores">{h("scores.all")}</Link>}>
      <Shown of={scores} lines={5}>
        {(found) => {
          const mine = found.departments.find(({ department }) => department === code);
          return mine === undefined || mine.n === 0 ? (
            <Empty title={h("scores.none")}>{h("scores.noneWhy")}</Empty>
          ) : (
            <Rates scores={found} mine={mine} />
          );
        }}
      </Shown>
      <Appealed code={code} />
    </Panel>
  );
}

function Rates({ scores, mine }: { scores: Scores; mine: DepartmentScore }) {
  const { h, number } = useHomeWords();
  const { percent, rate: name } = useAccountWords();
  const ranked = scores.departments.filter(({ rank }) => rank !== null).length;
  const shown = RATES.filter((rate) => (mine.rates[rate]?.den ?? 0) > 0);
  const behind = (rate: string) => `/scores?rate=${rate}&department=${encodeURIComponent(mine.department)}`;
  return (
    <>
      <dl className="department-figures">
        <Figure name={`${h("scores.score")} (${h("scores.of", { n: number(scores.formula.out_of, 0) })})`}>
          <Link href={behind("score")} data-testid="home-score">
            {mine.score === null ? "—" : number(mine.score, 1)}
          </Link>
        </Figure>
        {mine.rank !== null && (
          <Figure name={`${h("scores.rank")} (${h("scores.rankOf", { n: ranked })})`}>{number(mine.rank, 0)}</Figure>
        )}
        <Figure name={h("scores.tasks")}>{number(mine.n, 0)}</Figure>
      </dl>
      <ul className="department-rates">
        {shown.map((rate) => (
          <li key={rate}>
            <span>{name(rate)}</span>
            <Link
              href={behind(rate)}
              className="numeric"
              aria-label={`${h("scores.rate", { name: name(rate), n: mine.rates[rate]?.den ?? 0 })} ${percent(mine.rates[rate]?.rate ?? null)}`}
            >
              {percent(mine.rates[rate]?.rate ?? null)}
              <span className="quiet">
                {" "}
                {mine.rates[rate]?.num}/{mine.rates[rate]?.den}
              </span>
            </Link>
          </li>
        ))}
      </ul>
      <p className="body quiet">{h("scores.appeal")}</p>
    </>
  );
}

function Appealed({ code }: { code: string }) {
  const { h } = useHomeWords();
  const sees = useSeesAppeals();
  const appeals = useAppeals(null, sees);
  if (!sees || appeals.data === undefined) return null;
  const mine = appeals.data.pages.flatMap(({ items }) => items).filter(({ department }) => department === code);
  const open = mine.filter(({ state }) => state === "open").length;
  return (
    <p className="body line">
      <span>
        <strong>{h("appeals.title")}</strong> {mine.length === 0 ? h("appeals.none") : h("appeals.open", { n: open })}
      </span>
      {mine.length > 0 && <Link href="/scores/appeals">{h("appeals.all")}</Link>}
    </p>
  );
}

/** What the department delivers. */
function Data({ code }: { code: string }) {
  const { h, say, number } = useHomeWords();
  const flow = useDepartmentFlow(code);
  const [, go] = useLocation();
  if (flow.error instanceof Problem && flow.error.status === 404) return null; // of another department: not for everybody
  return (
    <Panel
      title={h("sources.title")}
      aside={<Link href={`/flow/${encodeURIComponent(code)}`}>{h("sources.all")}</Link>}
    >
      <Shown of={flow} lines={5}>
        {({ sources }) =>
          sources.length === 0 ? (
            <Empty title={h("sources.none")}>{h("sources.noneWhy")}</Empty>
          ) : (
            <section className="flush" tabIndex={0} aria-label={h("sources.title")}>
              <Table>
                <thead>
                  <tr>
                    <th data-cell="plain">{h("sources.state")}</th>
                    <th data-cell="title">{h("sources.name")}</th>
                    <th className="right">{h("sources.rows")}</th>
                    <th className="right">{h("sources.quality")}</th>
                    <th className="right">{h("sources.bad")}</th>
                    <th>{h("sources.last")}</th>
                  </tr>
                </thead>
                <tbody>
                  {sources.map((source) => (
                    <tr
                      key={source.id}
                      data-link
                      data-testid="home-source"
                      onClick={() => go(`/sources/${encodeURIComponent(source.id)}`)}
                    >
                      <td>
                        <StateWord state={source.state} />
                      </td>
                      <td>
                        <Link
                          href={`/sources/${encodeURIComponent(source.id)}`}
                          onClick={(event) => event.stopPropagation()}
                        >
                          {say(source.title)}
                        </Link>
                        {source.reason && <div className="quiet flow-wrap">{say(source.reason)}</div>}
                      </td>
                      <td className="right">{number(source.rows.day, 0)}</td>
                      <td className="right">
                        <Quality share={source.quality} />
                      </td>
                      <td className="right">{number(source.open, 0)}</td>
                      <td>
                        <Moment at={source.last_delivery_at} ago />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </Table>
            </section>
          )
        }
      </Shown>
    </Panel>
  );
}
