/** The departments' scores: every rate with its numerator and denominator, and the events behind it. */

import { Button, Drawer, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { useScoreEvents, useScores } from "../api/queries";
import { type DepartmentScore, RATES, type Rate, type RateName } from "../api/types";
import { useWords } from "../i18n";
import { cityTime, dayStart, duration } from "../time/format";
import { CellView } from "../ui/Evidence";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment, useZone } from "../ui/Time";
import { eventWord } from "./eventWord";

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
                      {RATES.map((rate) => (
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
                        {RATES.map((rate) => (
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
              <span className="mono">{scores.data.formula.id}</span> · v{scores.data.formula.version} ·{" "}
              {t("formula.since")} <Moment at={scores.data.formula.valid_from} shape="date" />
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
      <Drawer
        opened={drill !== null}
        onClose={() => setDrill(null)}
        position="right"
        size={720}
        closeButtonProps={{ "aria-label": t("close") }}
        title={drill && <strong>{`${say(drill.department.title)} · ${t(`rate.${drill.rate}`)}`}</strong>}
      >
        {drill && <Events department={drill.department.department} rate={drill.rate} from={from} to={to} />}
      </Drawer>
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
const HIDDEN = new Set(["type", "at", "task_id", "incident_id", "title", "data", "prev", "hash", "seq", "n", "id", "stream", "actor", "run_id"]);

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
  const { t, say } = useWords();
  const events = useScoreEvents(department, rate, from, to);
  return (
    <Shown of={events} lines={8}>
      {({ items }) => {
        if (items.length === 0) return <Empty title={t("scores.noEvents")} />;
        const more = [...new Set(items.flatMap((row) => Object.keys(row)))].filter(
          (key) => !HIDDEN.has(key) && items.some((row) => isCell(row[key])),
        );
        return (
          <div style={{ overflow: "auto" }}>
            <table className="table">
              <thead>
                <tr>
                  <th>{t("time.at")}</th>
                  <th>{t("scores.event")}</th>
                  <th>{t("scores.task")}</th>
                  {more.map((key) => (
                    <th key={key}>{key in COLUMNS ? t(COLUMNS[key as keyof typeof COLUMNS]) : key}</th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {items.map((row, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: an event may stand for several tasks
                  <tr key={index}>
                    <td>{typeof row.at === "string" ? <Moment at={row.at} /> : "—"}</td>
                    <td>{typeof row.type === "string" ? eventWord(row.type, t) : "—"}</td>
                    <td>
                      <TaskReference row={row} title={say(row.title as Record<string, string>)} />
                    </td>
                    {more.map((key) => (
                      <td key={key}>{isCell(row[key]) ? <CellView cell={row[key] as string} /> : ""}</td>
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

const COLUMNS = { counted: "scores.counted", due: "task.dueAt", reason: "act.reason", round: "task.roundLabel" } as const;

const isCell = (value: unknown) =>
  typeof value === "string" ||
  typeof value === "number" ||
  typeof value === "boolean" ||
  (typeof value === "object" && value !== null && ("zh-CN" in value || "en" in value));

function TaskReference({ row, title }: { row: Row; title: string }) {
  const data = (row.data ?? {}) as Row;
  const incident = row.incident_id ?? data.incident_id;
  const task = row.task_id ?? data.task_id;
  const words = title || (typeof task === "string" ? task : "—");
  if (typeof incident !== "string") return <>{words}</>;
  return <Link href={`/incidents/${incident}${typeof task === "string" ? `?task=${task}` : ""}`}>{words}</Link>;
}
