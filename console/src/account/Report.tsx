/** What a mayor reads: figures with their change, departments, what moved and why, data supply, appeals, flags, caveats. */

import { Button } from "@mantine/core";
import { memo, useMemo, useState } from "react";
import { Link } from "wouter";
import { useMay } from "../api/queries";
import { duration } from "../time/format";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { Drill, useDrill } from "./Behind";
import { PeriodBar } from "./PeriodBar";
import { ShareButton, Signed, Tabs, TermTable, usePeriod, usePeriodQuery, Wide } from "./parts";
import { useReport, useScores, useSeesAppeals } from "./queries";
import { ScoreBars } from "./ScoreBars";
import {
  type DepartmentScore,
  type Headline,
  type Movement,
  RANKED,
  RATES,
  type Report,
  type Scores,
  SUPPLY_RATES,
} from "./types";
import { useAccountWords } from "./words";

/** Scores of two formulas are no change of anybody's. */
const comparable = (report: Report, before: Scores | undefined) =>
  before?.formula.id === report.formula.id && before.formula.version === report.formula.version;

export const ReportPage = memo(function ReportPage({ today }: { today: string }) {
  const { a } = useAccountWords();
  const { from, to } = usePeriod(today);
  const report = useReport(from, to);
  return (
    <div className="page account">
      <div className="head">
        <div>
          <h1>{a("report.title")}</h1>
          <Tabs at="report" />
        </div>
        <div className="line">
          <PeriodBar today={today} />
          <Button size="xs" variant="default" data-testid="print" onClick={() => window.print()}>
            {a("print")}
          </Button>
        </div>
      </div>
      <Shown of={report} lines={12}>
        {(told) => <Told report={told} />}
      </Shown>
    </div>
  );
});

function Told({ report }: { report: Report }) {
  const { a, say } = useAccountWords();
  const before = useScores(report.before.from, report.before.to, null, report.before.n > 0);
  return (
    <>
      <p className="quiet spans" data-testid="report-period">
        <span>
          {a("period.shown")} <Moment at={report.from} /> – <Moment at={report.to} />
        </span>
        <span>
          {a("period.before")} <Moment at={report.before.from} /> – <Moment at={report.before.to} />
        </span>
      </p>
      {report.tasks === 0 && report.departments.length === 0 ? (
        <Panel>
          <Empty title={a("report.empty")}>{a("report.emptyWhy")}</Empty>
        </Panel>
      ) : (
        <>
          <Headlines report={report} />
          <Departments report={report} before={before.data} />
          <div className="pair">
            <Moves title={a("moves.best")} moves={report.best} good />
            <Moves title={a("moves.worst")} moves={report.worst} good={false} />
          </div>
          <Panel title={a("chart.title")} className="chart-panel">
            <div className="body">
              <ScoreBars
                most={report.formula.out_of}
                departments={report.departments}
                before={comparable(report, before.data) ? (before.data?.departments ?? []) : []}
              />
            </div>
          </Panel>
        </>
      )}
      <Supply report={report} />
      <div className="pair">
        <Flags report={report} />
        <AppealsPanel report={report} />
      </div>
      <FormulaPanel report={report} />
      <Panel title={a("caveats.title")}>
        <ul className="notes" data-testid="caveats">
          {report.caveats.map((one) => (
            <li key={say(one)}>{say(one)}</li>
          ))}
        </ul>
      </Panel>
      <Drill report={report} from={report.from} to={report.to} />
    </>
  );
}

function Headlines({ report }: { report: Report }) {
  const { a, number } = useAccountWords();
  const more = report.tasks - report.before.n;
  return (
    <section aria-label={a("headline.title")} className="headlines" data-testid="headlines">
      <div className="figure-card">
        <span className="name">{a("headline.tasks")}</span>
        <strong className="big numeric">{number(report.tasks, 0)}</strong>
        <span className="quiet">
          {more === 0
            ? a("headline.same")
            : a(more > 0 ? "headline.more" : "headline.fewer", { n: number(Math.abs(more), 0) })}
        </span>
      </div>
      {report.headline.map((one) => (
        <Figure key={one.id} figure={one} />
      ))}
    </section>
  );
}

function Figure({ figure }: { figure: Headline }) {
  const { a, percent, rate, what, number } = useAccountWords();
  const { open } = useDrill();
  const { change } = figure;
  const flat = change !== null && Math.abs(change) < 0.0005;
  const better = change !== null && change > 0 !== figure.less_is_better;
  return (
    <div className="figure-card" data-rate={figure.id}>
      <span className="name" title={what(figure.id)}>
        {rate(figure.id)}
      </span>
      {figure.den === 0 ? (
        <strong className="big quiet">—</strong>
      ) : (
        <button
          type="button"
          className="link numeric"
          aria-label={a("share.open", {
            whose: a("headline.title"),
            rate: rate(figure.id),
            percent: percent(figure.rate),
            num: figure.num,
            den: figure.den,
          })}
          onClick={() => open({ rate: figure.id })}
        >
          <strong className="big">{percent(figure.rate)}</strong>{" "}
          <span className="quiet">{a("share.of", { num: figure.num, den: figure.den })}</span>
        </button>
      )}
      {change === null ? (
        <span className="quiet">{a(figure.den === 0 ? "share.none" : "headline.noBefore")}</span>
      ) : (
        <span>
          {flat ? (
            <span className="quiet">{a("headline.same")}</span>
          ) : (
            <span className={better ? "up" : "down"}>
              {change > 0 ? "▲ " : "▼ "}
              {a(better ? "headline.better" : "headline.worse", { points: number(Math.abs(change) * 100, 1) })}
            </span>
          )}{" "}
          <span className="quiet">
            {a("headline.before", {
              value: `${percent(figure.before.rate)} ${figure.before.num}/${figure.before.den}`,
            })}
          </span>
        </span>
      )}
    </div>
  );
}

const MAIN: readonly string[] = ["sign_in", "on_time", "overdue", "closed", "rework"];

type Order = { by: string; down: boolean };

/** What a column sorts by; rows without it come last. */
function sortable(one: DepartmentScore, by: string, was: DepartmentScore | undefined): number | null {
  if (by === "rank") return one.rank;
  if (by === "n") return one.n;
  if (by === "score") return one.score;
  if (by === "change") return one.score === null || was?.score == null ? null : one.score - was.score;
  if (by === "fair") return one.on_time_fair;
  if (by === "ratio") return one.time_ratio;
  if (by === "custody") return one.custody_seconds;
  return one.rates[by]?.rate ?? null;
}

function Departments({ report, before }: { report: Report; before: Scores | undefined }) {
  const { a, say, rate, what, number, percent, language } = useAccountWords();
  const { open } = useDrill();
  const [every, setEvery] = useState(false);
  const [order, setOrder] = useState<Order | null>(null);
  const was = useMemo(
    () => new Map(comparable(report, before) ? before?.departments.map((one) => [one.department, one]) : []),
    [report, before],
  );
  const used = new Set(report.formula.terms.flatMap((term) => [term.rate, ...term.deductions.map((one) => one.rate)]));
  const rates = RATES.filter((name) => every || used.has(name) || MAIN.includes(name));
  const rows = useMemo(() => {
    if (order === null) return report.departments;
    const sign = order.down ? -1 : 1;
    const value = (one: DepartmentScore) => sortable(one, order.by, was.get(one.department));
    return [...report.departments].sort((one, other) => {
      const [x, y] = [value(one), value(other)];
      return x === null || y === null ? Number(x === null) - Number(y === null) : sign * (x - y);
    });
  }, [report.departments, order, was]);
  const head = (by: string, name: string, why?: string) => (
    <th
      key={by}
      className="right"
      aria-sort={order?.by === by ? (order.down ? "descending" : "ascending") : undefined}
      title={why}
    >
      <button
        type="button"
        className="plain sort"
        aria-label={a("sortBy", { what: name })}
        onClick={() => setOrder({ by, down: order?.by === by ? !order.down : by !== "rank" })}
      >
        {name}
        {order?.by === by && <span aria-hidden="true">{order.down ? " ▾" : " ▴"}</span>}
      </button>
    </th>
  );
  if (report.departments.length === 0) return null;
  return (
    <Panel
      title={a("departments.title")}
      aside={
        <button type="button" className="link no-print" onClick={() => setEvery(!every)} data-testid="every-rate">
          {a(every ? "departments.few" : "departments.all")}
        </button>
      }
    >
      <Wide label={a("departments.scroll")}>
        <table className="table scores" data-testid="scores-table">
          <thead>
            <tr>
              {head("rank", a("rank"))}
              <th className="pinned">{a("department")}</th>
              {head("score", a("score"))}
              {head("change", a("score.change"))}
              {head("n", a("n"))}
              {rates.map((name) => head(name, rate(name), what(name)))}
              {head("fair", a("fair"), a("fair.what"))}
              {head("ratio", a("ratio"), a("ratio.what"))}
              {head("custody", a("custody"), a("custody.what"))}
            </tr>
          </thead>
          <tbody>
            {rows.map((one) => (
              <tr key={one.department} data-department={one.department}>
                <td className="right" data-testid="rank">
                  {one.rank ?? (
                    <span className="quiet" title={a("rank.none")}>
                      <span aria-hidden="true">—</span>
                      <span className="unseen">{a("rank.none")}</span>
                    </span>
                  )}
                </td>
                <td className="pinned">{say(one.title)}</td>
                <td className="right">
                  {one.score === null ? (
                    <span className="quiet">—</span>
                  ) : (
                    <button
                      type="button"
                      className="link"
                      aria-label={a("made.open", { department: say(one.title), score: number(one.score, 1) })}
                      data-testid="score-made"
                      onClick={() => open({ rate: "score", department: one.department })}
                    >
                      <strong>{number(one.score, 1)}</strong>
                    </button>
                  )}
                  {one.corrections > 0 && one.score_before_appeals !== null && (
                    <div className="quiet corrected" data-testid="corrected">
                      {a("score.before", { score: number(one.score_before_appeals, 1), n: one.corrections })}
                    </div>
                  )}
                </td>
                <td className="right">
                  <Signed by={sortable(one, "change", was.get(one.department))} />
                </td>
                <td className="right">
                  <button
                    type="button"
                    className="link"
                    aria-label={a("n.open", { department: say(one.title), n: one.n })}
                    onClick={() => open({ rate: "on_time", department: one.department })}
                  >
                    {number(one.n, 0)}
                  </button>
                </td>
                {rates.map((name) => (
                  <td key={name} className="right">
                    <ShareButton
                      share={one.rates[name]}
                      rate={name}
                      whose={say(one.title)}
                      open={() => open({ rate: name, department: one.department })}
                    />
                  </td>
                ))}
                <td className="right">{percent(one.on_time_fair)}</td>
                <td className="right">{number(one.time_ratio, 2)}</td>
                <td className="right">{duration(one.custody_seconds, language)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      {report.departments.some(({ n }) => n < RANKED) && (
        <p className="quiet under" data-testid="rank-why">
          {a("rank.why")}
        </p>
      )}
    </Panel>
  );
}

function Moves({ title, moves, good }: { title: string; moves: Movement[]; good: boolean }) {
  const { a, say, percent, points } = useAccountWords();
  const { open } = useDrill();
  return (
    <Panel title={title}>
      <div className="body stack" data-testid={good ? "moves-best" : "moves-worst"}>
        {moves.length === 0 && <span className="quiet">{a("moves.none")}</span>}
        {moves.map((one) => (
          <div key={one.department} className="stack move">
            <div className="line">
              <strong>{say(one.title)}</strong>
              <span className={good ? "up" : "down"}>
                {good ? "▲ " : "▼ "}
                {a("moves.change", { points: points(one.change) })}
              </span>
              <ShareButton
                share={one.on_time}
                rate="on_time"
                whose={say(one.title)}
                open={() => open({ rate: "on_time", department: one.department })}
              />
              <span className="quiet">
                {a("headline.before", {
                  value: `${percent(one.before.rate)} ${one.before.num}/${one.before.den}`,
                })}
              </span>
            </div>
            {one.tasks.length === 0 ? (
              <span className="quiet">{a("moves.noTasks")}</span>
            ) : (
              <div className="line">
                <span className="quiet">{a(good ? "moves.forTasks" : "moves.againstTasks")}</span>
                {one.tasks.map((task) => (
                  <button
                    key={task.task}
                    type="button"
                    className="link"
                    onClick={() => open({ rate: "on_time", department: one.department, task: task.task })}
                  >
                    {say(task.step_title)}
                  </button>
                ))}
              </div>
            )}
          </div>
        ))}
      </div>
    </Panel>
  );
}

function Supply({ report }: { report: Report }) {
  const { a, say, rate, what, number } = useAccountWords();
  const sees = useMay("source.read");
  const { formula, departments } = report.supply;
  return (
    <Panel title={a("supply.title")} aside={sees && <Link href="/sources">{a("supply.open")}</Link>}>
      {departments.length === 0 ? (
        <p className="quiet under">{a("supply.none")}</p>
      ) : (
        <Wide label={a("supply.title")}>
          <Table data-testid="supply-table">
            <thead>
              <tr>
                <th>{a("department")}</th>
                <th className="right">{a("score")}</th>
                <th className="right">{a("supply.sources")}</th>
                {SUPPLY_RATES.map((name) => (
                  <th key={name} className="right" title={what(name)}>
                    {rate(name)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {departments.map((one) => (
                <tr key={one.department}>
                  <td>{say(one.title)}</td>
                  <td className="right">
                    <strong>{number(one.score, 1)}</strong>
                  </td>
                  <td className="right">{one.sources}</td>
                  {SUPPLY_RATES.map((name) => (
                    <td key={name} className="right">
                      <ShareButton share={one.rates[name]} rate={name} whose={say(one.title)} open={null} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </Table>
        </Wide>
      )}
      <p className="quiet under">
        {a("supply.byFormula", { title: say(formula.title), outOf: number(formula.out_of) })}{" "}
        {formula.terms.map((term) => `${rate(term.rate)} ${number(term.weight)}: ${what(term.rate)}`).join(" · ")}
        <br />
        {a("formula.source")} {say(formula.source)}
      </p>
    </Panel>
  );
}

function Flags({ report }: { report: Report }) {
  const { a, say } = useAccountWords();
  const { open } = useDrill();
  return (
    <Panel title={a("flags.title")}>
      <div className="body stack" data-testid="flags">
        <span className="quiet">{report.flags.length === 0 ? a("flags.looked") : a("flags.note")}</span>
        {report.flags.length === 0 && <strong>{a("flags.none")}</strong>}
        {report.flags.map((flag) => (
          <div key={`${flag.kind}${flag.department}`} className="stack move">
            <div>
              <strong>{say(flag.department_title)}</strong> · {say(flag.title)}
            </div>
            <div>{say(flag.words)}</div>
            <div className="line">
              {flag.tasks.map((task, index) => (
                <button key={task} type="button" className="link" onClick={() => open({ task })}>
                  {a("flags.task", { n: index + 1 })}
                </button>
              ))}
              {flag.tasks.length < flag.n && (
                <span className="quiet">{a("flags.few", { shown: flag.tasks.length, n: flag.n })}</span>
              )}
            </div>
          </div>
        ))}
      </div>
    </Panel>
  );
}

function AppealsPanel({ report }: { report: Report }) {
  const { a, say, rate } = useAccountWords();
  const sees = useSeesAppeals();
  const decides = useMay("appeal.decide");
  const kept = usePeriodQuery();
  const { items, ...counts } = report.appeals;
  const page = (id?: string) => {
    const query = new URLSearchParams(kept);
    if (id) query.set("appeal", id);
    return `/scores/appeals${query.size ? `?${query}` : ""}`;
  };
  return (
    <Panel
      title={a("appeals.title")}
      aside={sees && <Link href={page()}>{a(decides ? "appeals.toQueue" : "appeals.toList")}</Link>}
    >
      <div className="body stack" data-testid="appeals-counts">
        <dl className="counts">
          {(["filed", "open", "upheld", "dismissed"] as const).map((name) => (
            <div key={name}>
              <dt>{a(`appeals.${name}`)}</dt>
              <dd className="numeric">{counts[name]}</dd>
            </div>
          ))}
        </dl>
        {items.map((one) => (
          <div key={one.id}>
            {sees ? <Link href={page(one.id)}>{say(one.department_title)}</Link> : say(one.department_title)} ·{" "}
            {rate(one.rate)} · <span className="tag">{a(`appeals.${one.state}`)}</span>{" "}
            <span className="quiet">{one.reason}</span>
          </div>
        ))}
      </div>
    </Panel>
  );
}

function FormulaPanel({ report }: { report: Report }) {
  const { a, say, number } = useAccountWords();
  const kept = usePeriodQuery();
  const { formula } = report;
  return (
    <Panel title={a("formula.title")} aside={<Link href={`/scores/formulas${kept}`}>{a("formula.all")}</Link>}>
      <div className="body stack" data-testid="formula">
        <div>
          <strong>{say(formula.title)}</strong>{" "}
          <span className="quiet">
            {formula.id} {formula.version} · {a("formula.since", { date: formula.valid_from })} ·{" "}
            {a("formula.outOf", { points: number(formula.out_of) })}
          </span>
        </div>
        <div>
          {a("formula.source")} {say(formula.source)}
        </div>
      </div>
      <Wide label={a("formula.title")}>
        <TermTable formula={formula} />
      </Wide>
    </Panel>
  );
}
