/** One detector: what its parameters mean, what it found, and what other parameters would have found. */

import { useMemo } from "react";
import { Link, useParams, useSearchParams } from "wouter";
import { useMay } from "../api/queries";
import type { Iso, SeriesEvidence } from "../api/types";
import { duration } from "../time/format";
import { SeriesFigure } from "../ui/Evidence";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment, useZone } from "../ui/Time";
import { brief, unitOf, whole } from "./amount";
import { Every, Fates, Inputs } from "./Detectors";
import { noon } from "./day";
import { type DetectorDetail, useDetector } from "./queries";
import { TrialForm } from "./TrialForm";
import { Trials } from "./Trials";
import { TrialView } from "./TrialView";
import { useDetectorWords } from "./words";
import "../ui/long.css";

export default function DetectorPage() {
  const { p, say } = useDetectorWords();
  const id = decodeURIComponent(useParams<{ id: string }>().id);
  const [params, setParams] = useSearchParams();
  const detector = useDetector(id);
  const may = useMay("detector.backtest");
  const trial = params.get("trial");
  const open = (one: string | null) => setParams(one === null ? {} : { trial: one });
  return (
    <div className="page">
      <div>
        <nav className="crumbs" aria-label={p("title")}>
          <Link href="/detectors">{p("title")}</Link>
        </nav>
        <h1 style={{ fontSize: 20, margin: 0 }}>{detector.data ? say(detector.data.title) : id}</h1>
      </div>
      <Shown of={detector} lines={8}>
        {(one) => (
          <>
            <Facts of={one} />
            <Panel title={p("parameters")}>
              <Parameters of={one} />
            </Panel>
            <Panel title={p("byDay")}>
              <div className="body">
                <Found of={one} />
              </div>
            </Panel>
            {may && (
              <Panel title={p("backtest")}>
                <div className="body stack">
                  <span className="quiet">{p("backtestWhy")}</span>
                  <TrialForm key={one.id} detector={one} started={open} />
                </div>
              </Panel>
            )}
            <Panel title={p("trials")}>
              <Trials of={one.trials} chosen={trial} open={open} />
            </Panel>
            {trial !== null && <TrialView key={trial} id={trial} close={() => open(null)} />}
          </>
        )}
      </Shown>
    </div>
  );
}

function Facts({ of }: { of: DetectorDetail }) {
  const { p, say, language, number } = useDetectorWords();
  return (
    <Panel>
      <dl className="pairs body" style={{ paddingTop: 12 }} data-testid="detector-facts">
        <dt>{p("kind")}</dt>
        <dd>
          {of.kind_title ? say(of.kind_title) : of.kind} <span className="quiet mono">{of.id}</span>
        </dd>
        {of.app && (
          <>
            <dt>{p("app")}</dt>
            <dd>{say(of.app.title)}</dd>
          </>
        )}
        <dt>{p("inputs")}</dt>
        <dd>
          <Inputs of={of} />
        </dd>
        <dt>{p("last")}</dt>
        <dd>
          <Moment at={of.last_look_at} />{" "}
          <span className="quiet">
            <Every of={of} />
          </span>
          {of.failure !== null && <div className="late">{p("failure", { reason: of.failure })}</div>}
        </dd>
        <dt>{p("costTitle")}</dt>
        <dd>
          {of.look_seconds !== null
            ? p("cost", {
                length:
                  of.look_seconds < 10
                    ? `${number(of.look_seconds * 1000, 0)} ms`
                    : duration(of.look_seconds, language),
              })
            : of.rows_per_second !== null
              ? p("speed", { n: number(of.rows_per_second, 0) })
              : p("noCost")}
        </dd>
        <dt>{p("findings")}</dt>
        <dd>{number(of.last_30_days.findings, 0)}</dd>
        <dt>{p("alerts")}</dt>
        <dd>
          {number(of.last_30_days.alerts, 0)}{" "}
          <span className="quiet">
            <Fates of={of} />
          </span>
        </dd>
      </dl>
    </Panel>
  );
}

function Parameters({ of: { parameters } }: { of: DetectorDetail }) {
  const { p, say, t, language } = useDetectorWords();
  const yes = (value: unknown) => (typeof value === "boolean" ? t(value ? "yes" : "no") : brief(value, language));
  if (parameters.length === 0) return <Empty title={p("noMeaning")} />;
  return (
    <section className="long-scroll" tabIndex={0} aria-label={p("parameters")}>
      <Table data-testid="detector-parameters">
        <thead>
          <tr>
            <th>{p("meaning")}</th>
            <th className="right">{p("value")}</th>
            <th>{p("name")}</th>
          </tr>
        </thead>
        <tbody>
          {parameters.map(({ name, value, meaning }) => (
            <tr key={name}>
              <td>{meaning ? say(meaning) : <span className="quiet">{p("noMeaning")}</span>}</td>
              <td className="right" title={whole(value)}>
                {value !== null && typeof value === "object" && !Array.isArray(value) ? (
                  Object.entries(value).map(([part, one]) => (
                    <div key={part}>
                      <span className="quiet mono">{part}</span> {yes(one)}
                    </div>
                  ))
                ) : (
                  <Amount name={name} said={yes(value)} />
                )}
              </td>
              <td className="quiet mono">{name}</td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}

function Amount({ name, said }: { name: string; said: string }) {
  const { p } = useDetectorWords();
  const unit = unitOf(name);
  return (
    <>
      {said}
      {unit && <span className="quiet"> {p(unit)}</span>}
    </>
  );
}

function Found({ of: { days } }: { of: DetectorDetail }) {
  const { p } = useDetectorWords();
  const zone = useZone();
  const evidence = useMemo(() => {
    const points = (value: (day: DetectorDetail["days"][number]) => number) =>
      days.map((day) => [noon(day.day, zone), value(day)] as [Iso, number]);
    const line: SeriesEvidence = {
      type: "series",
      title: { "zh-CN": "每日发现", en: "findings by day" },
      unit: "",
      thresholds: [],
      series: [
        {
          name: { "zh-CN": "合计", en: "all" },
          style: "observed",
          points: points(({ levels }) => levels[1] + levels[2] + levels[3] + levels[4]),
        },
        {
          name: { "zh-CN": "红色和橙色", en: "red and orange" },
          style: "expected",
          points: points(({ levels }) => levels[1] + levels[2]),
        },
      ],
    };
    return line;
  }, [days, zone]);
  if (days.length === 0) return <Empty title={p("nothing")} />;
  return <SeriesFigure evidence={evidence} height={200} />;
}
