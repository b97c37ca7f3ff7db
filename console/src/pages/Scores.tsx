/** The departments' scores: every rate with its numerator and denominator, and the events behind it. */

import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { useScoreEvents, useScores } from "../api/queries";
import { type Cell, type DepartmentScore, RATES, type Rate, type RateName, type Text } from "../api/types";
import { useWords } from "../i18n";
import { cityTime, dayStart, duration } from "../time/format";
import { CellView } from "../ui/Evidence";
import { Sheet } from "../ui/Sheet";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment, useZone } from "../ui/Time";

const DAY = /^\d{4}-\d\d-\d\d$/;

export default function Scores() {
  const { t, say, number, language } = useWords();
  const zone = useZone();
  const [params, setParams] = useSearchParams();
  const [drill, setDrill] = useState<{ department: DepartmentScore; rate: RateName } | null>(null);
  const moment = (name: string) => {
    const day = params.get(name);
    return day !== null && DAY.test(day) ? dayStart(day, zone) : null;
  };
  const from = moment("from");
  const to = moment("to");
  const scores = useScores(from, to);
  const change = (name: string, value: string) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === "") after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  const rates = RATES.filter((rate) => scores.data?.departments.some((one) => one.rates[rate] !== undefined));
  const shownDay = (name: "from" | "to") =>
    params.get(name) ?? (scores.data ? cityTime(scores.data[name], zone, "date") : "");
  return (
    <div className="page">
      <div className="head">
        <h1 style={{ fontSize: 20, margin: 0 }}>{t("nav.scores")}</h1>
        <div className="line">
          {(["from", "to"] as const).map((name) => (
            <TextInput
              key={name}
              type="date"
              size="xs"
              aria-label={t(`scores.${name}`)}
              leftSection={<span style={{ fontSize: 12 }}>{t(`scores.${name}`)}</span>}
              leftSectionWidth={44}
              value={shownDay(name)}
              onChange={(event) => change(name, event.currentTarget.value)}
            />
          ))}
          {(from !== null || to !== null) && (
            <Button size="xs" variant="default" onClick={() => setParams({})}>
              {t("scores.reset")}
            </Button>
          )}
        </div>
      </div>
      <Panel>
        <Shown of={scores} lines={9}>
          {({ departments }) =>
            departments.length === 0 ? (
              <Empty title={t("scores.empty")}>{t("scores.emptyWhy")}</Empty>
            ) : (
              <div className="flush">
                <table className="table" data-testid="scores-table">
                  <thead>
                    <tr>
                      <th className="right">{t("scores.rank")}</th>
                      <th>{t("scores.department")}</th>
                      <th className="right">{t("scores.score")}</th>
                      <th className="right">{t("scores.n")}</th>
                      {rates.map((rate) => (
                        <th key={rate} className="right">
                          {t(`rate.${rate}`)}
                        </th>
                      ))}
                      <th className="right">{t("scores.late")}</th>
                      <th className="right">{t("scores.custody")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {departments.map((one) => (
                      <tr key={one.department} data-department={one.department}>
                        <td className="right">{one.rank ?? <span className="quiet">—</span>}</td>
                        <td>{say(one.title)}</td>
                        <td className="right">
                          <strong>{number(one.score, 1)}</strong>
                        </td>
                        <td className="right">{one.n}</td>
                        {rates.map((rate) => (
                          <td key={rate} className="right">
                            <RateCell
                              rate={one.rates[rate]}
                              label={`${say(one.title)} ${t(`rate.${rate}`)}`}
                              open={() => setDrill({ department: one, rate })}
                            />
                          </td>
                        ))}
                        <td className={`right ${one.late > 0 ? "late" : ""}`}>{one.late}</td>
                        <td className="right">{duration(one.custody_seconds, language)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
                <p className="quiet" style={{ margin: "8px 12px" }}>
                  {t("scores.notRanked")}
                </p>
              </div>
            )
          }
        </Shown>
      </Panel>
      {scores.data && (
        <Panel title={t("formula.title")}>
          <div className="body stack">
            <div>
              {say(scores.data.formula.title) || <span className="mono">{scores.data.formula.id}</span>} · v
              {scores.data.formula.version} · {t("formula.since")}{" "}
              <Moment at={scores.data.formula.valid_from} shape="date" />
            </div>
            <div>
              {t("formula.source")} {say(scores.data.formula.source)}
            </div>
            <ul className="legend">
              {Object.entries(scores.data.formula.weights).map(([name, weight]) => (
                <li key={name}>
                  {(RATES as readonly string[]).includes(name) ? t(`rate.${name as RateName}`) : name}{" "}
                  <strong className="numeric">{number(weight)}</strong>
                </li>
              ))}
            </ul>
            <div className="quiet">
              {t("formula.period")} <Moment at={scores.data.from} /> – <Moment at={scores.data.to} />
            </div>
          </div>
        </Panel>
      )}
      {drill && (
        <Sheet
          at="side"
          close={() => setDrill(null)}
          title={`${say(drill.department.title)} · ${t(`rate.${drill.rate}`)}`}
        >
          <Events department={drill.department.department} rate={drill.rate} from={from} to={to} />
        </Sheet>
      )}
    </div>
  );
}

function RateCell({ rate, label, open }: { rate: Rate | undefined; label: string; open: () => void }) {
  const { number } = useWords();
  if (rate === undefined || rate.den === 0) return <span className="quiet">— 0/0</span>;
  return (
    <button type="button" className="link numeric" aria-label={`${label} ${rate.num}/${rate.den}`} onClick={open}>
      {rate.rate === null ? "—" : `${number(rate.rate * 100, 1)}%`}{" "}
      <span className="quiet">
        {rate.num}/{rate.den}
      </span>
    </button>
  );
}

type Row = Record<string, unknown>;

/** The columns of a drill-down that have a heading of their own; what else a record holds is shown after them. */
const COLUMNS = {
  counts: "scores.counted",
  round: "task.roundLabel",
  dispatched_at: "task.dispatchedAt",
  accept_due: "task.acceptBy",
  accepted_at: "task.acceptedAt",
  due: "task.dueAt",
  submitted_at: "task.submittedAt",
  closed_at: "task.closedAt",
} as const;
const COLUMN_NAMES = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];

function Events({
  department,
  rate,
  from,
  to,
}: {
  department: string;
  rate: RateName;
  from: string | null;
  to: string | null;
}) {
  const { t } = useWords();
  const events = useScoreEvents(department, rate, from, to);
  return (
    <Shown of={events} lines={8}>
      {({ items }) => {
        if (items.length === 0) return <Empty title={t("scores.noEvents")} />;
        const columns = COLUMN_NAMES.filter((name) =>
          items.some((row) => row[name] !== null && row[name] !== undefined),
        );
        return (
          <div style={{ overflow: "auto" }}>
            <table className="table">
              <thead>
                <tr>
                  <th>{t("scores.task")}</th>
                  {columns.map((name) => (
                    <th key={name}>{t(COLUMNS[name])}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {items.map((row, index) => (
                  <tr key={index}>
                    <td className="wide">
                      <TaskReference row={row} />
                    </td>
                    {columns.map((name) => (
                      <td key={name}>
                        <CellView cell={(row[name] ?? null) as Cell} />
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        );
      }}
    </Shown>
  );
}

function TaskReference({ row }: { row: Row }) {
  const { say } = useWords();
  const words = say(row.title as Text | null) || String(row.step ?? row.task ?? "—");
  if (typeof row.task !== "string") return <>{words}</>;
  return <Link href={`/tasks/${encodeURIComponent(row.task)}`}>{words}</Link>;
}
