/** What came of a backtest: by day beside the present parameters and what was real, and case by case. */

import { Button } from "@mantine/core";
import { useMemo } from "react";
import { Link } from "wouter";
import type { Iso, SeriesEvidence, SeriesLine } from "../api/types";
import { JobProgress, JobTag } from "../jobs/JobProgress";
import { useJob } from "../jobs/queries";
import { duration } from "../time/format";
import { SeriesFigure } from "../ui/Evidence";
import { Severity } from "../ui/Severity";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment, useZone } from "../ui/Time";
import { noon } from "./day";
import type { PastCase, Trial, TrialResult } from "./queries";
import { Changed } from "./Trials";
import { useDetectorWords } from "./words";
import { en } from "./words.en";
import { zh } from "./words.zh";

export function TrialView({ id, close }: { id: string; close: () => void }) {
  const { p, say } = useDetectorWords();
  const trial = useJob<Trial>(id);
  return (
    <Panel
      title={p("result", { name: trial.data ? say(trial.data.title) : "" })}
      aside={
        <Button size="xs" variant="default" onClick={close}>
          {p("close")}
        </Button>
      }
    >
      <Shown of={trial} lines={6}>
        {(one) => (
          <div className="body stack" data-testid="trial" data-state={one.state}>
            <div className="line">
              <JobTag of={one} />
              <span>
                <Moment at={one.given.since} shape="date" /> – <Moment at={one.given.until} shape="date" />
              </span>
              <Changed of={one} />
            </div>
            <JobProgress of={one} />
            {one.result !== null && <Result of={one} result={one.result} />}
          </div>
        )}
      </Shown>
    </Panel>
  );
}

const named = (key: "trial" | "present" | "real") => ({ "zh-CN": zh[key], en: en[key] });

function Result({ of, result }: { of: Trial; result: TrialResult }) {
  const { p, number, language } = useDetectorWords();
  const zone = useZone();
  const evidence = useMemo(() => {
    const days = result.days ?? [];
    const line = (key: "trial" | "present" | "real", style: SeriesLine["style"]): SeriesLine => ({
      name: named(key),
      style,
      points: days.map((day) => [noon(day.day, zone), day[key]] as [Iso, number | null]),
    });
    const made: SeriesEvidence = {
      type: "series",
      title: { "zh-CN": zh.days, en: en.days },
      unit: "",
      thresholds: [],
      series: [
        line("trial", "observed"),
        ...(result.present === null ? [] : [line("present", "observed")]),
        line("real", "expected"),
      ],
    };
    return made;
  }, [result, zone]);
  const columns = [
    { name: p("trial"), of: result.trial },
    ...(result.present === null ? [] : [{ name: p("present"), of: result.present }]),
  ];
  const levels = (highest: Record<"1" | "2" | "3" | "4", number>) =>
    (["1", "2", "3", "4"] as const).map((level) => number(highest[level], 0)).join(" / ");
  return (
    <>
      <strong data-testid="trial-sum" data-gained={result.gained_total} data-lost={result.lost_total}>
        {p(result.against === "present" ? "againstPresent" : "againstReal")}: {p("gained")}{" "}
        {number(result.gained_total, 0)} · {p("lost")} {number(result.lost_total, 0)} · {p("kept")}{" "}
        {number(result.kept_total, 0)}
      </strong>
      <SeriesFigure evidence={evidence} height={220} />
      <section style={{ overflow: "auto" }} tabIndex={0} aria-label={p("figure")}>
        <Table>
          <thead>
            <tr>
              <th>{p("figure")}</th>
              {columns.map(({ name }) => (
                <th key={name} className="right">
                  {name}
                </th>
              ))}
              <th className="right">{p("real")}</th>
            </tr>
          </thead>
          <tbody>
            {(
              [
                [p("raised"), ({ raised }) => number(raised, 0), number(result.real, 0)],
                [p("levels"), ({ highest }) => levels(highest), "—"],
                [p("dayCount"), ({ alerted_days }) => number(alerted_days, 0), "—"],
                [p("hours"), ({ alerted_hours }) => number(alerted_hours, 1), "—"],
                [p("seconds"), ({ seconds }) => duration(seconds, language), "—"],
              ] as [string, (one: TrialResult["trial"]) => string, string][]
            ).map(([title, value, real]) => (
              <tr key={title}>
                <td>{title}</td>
                {columns.map(({ name, of: one }) => (
                  <td key={name} className="right numeric">
                    {value(one)}
                  </td>
                ))}
                <td className="right numeric">{real}</td>
              </tr>
            ))}
          </tbody>
        </Table>
      </section>
      <Cases title={p("gained")} none={p("gainedNone")} of={result.gained ?? []} total={result.gained_total} />
      <Cases title={p("lost")} none={p("lostNone")} of={result.lost ?? []} total={result.lost_total} />
      {of.ended_at !== null && (
        <span className="quiet">
          <Moment at={of.ended_at} />
        </span>
      )}
    </>
  );
}

function Cases({ title, none, of, total }: { title: string; none: string; of: PastCase[]; total: number }) {
  const { p, say, number } = useDetectorWords();
  return (
    <>
      <h3 style={{ margin: 0 }}>
        {title} {number(total, 0)}
      </h3>
      {of.length === 0 ? (
        <Empty title={none} />
      ) : (
        <section className="long-scroll" style={{ maxHeight: 320 }} tabIndex={0} aria-label={title}>
          <Table>
            <thead>
              <tr>
                <th>{p("subject")}</th>
                <th />
                <th>{p("raisedAt")}</th>
                <th>{p("endedAt")}</th>
                <th>{p("was")}</th>
              </tr>
            </thead>
            <tbody>
              {of.map((one, at) => (
                <tr key={at}>
                  <td>
                    {say(one.subject.name)} <span className="quiet mono">{one.subject.id}</span>
                  </td>
                  <td>{one.level !== null && <Severity level={one.level} />}</td>
                  <td>
                    <Moment at={one.raised_at} />
                  </td>
                  <td>
                    <Moment at={one.ended_at} />
                  </td>
                  <td>
                    {one.alert === null ? (
                      <span className="quiet">{p("never")}</span>
                    ) : (
                      <Link href={`/alerts/${encodeURIComponent(one.alert)}`}>{p("was")}</Link>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </Table>
        </section>
      )}
      {total > of.length && <span className="quiet">{p("more", { n: number(total - of.length, 0) })}</span>}
    </>
  );
}
