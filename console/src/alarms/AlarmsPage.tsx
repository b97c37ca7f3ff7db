/** Whether the alerts can be taken by those on duty: rate, floods, who makes them, what is late or stale, what is silenced. */

import { Button, NativeSelect } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useRef, useState } from "react";
import { Link } from "wouter";
import { commandId, request } from "../api/client";
import { useAlerts, useMay } from "../api/queries";
import type { Level } from "../api/types";
import { Severity } from "../ui/Severity";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import "./alarms.css";
import { useRate, useSuppressions } from "./queries";
import { RateChart } from "./RateChart";
import type { Measure, Rate, Suppression, Worst } from "./types";
import { useAlarmWords } from "./words";

const PERIODS = [8, 24, 72, 168];
const PEOPLE = [1, 2, 3, 4, 5, 6, 8, 10];
const LEVELS = ["1", "2", "3", "4"] as const;
const SHARES: readonly Measure[] = ["flood_share", "top_share"];

export default function AlarmsPage() {
  const { a } = useAlarmWords();
  const [hours, setHours] = useState(24);
  const [people, setPeople] = useState<number | null>(null);
  const rate = useRate(hours, people);
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{a("title")}</h1>
          <div className="quiet">{a("what")}</div>
        </div>
        <span className="spacer" />
        <div className="line">
          <NativeSelect
            label={a("period")}
            data-testid="alarm-period"
            value={String(hours)}
            data={PERIODS.map((n) => ({ value: String(n), label: a("period.n", { n }) }))}
            onChange={(event) => setHours(Number(event.currentTarget.value))}
          />
          <NativeSelect
            label={a("operators")}
            data-testid="alarm-operators"
            value={people === null ? "" : String(people)}
            data={[
              { value: "", label: a("operators.auto") },
              ...PEOPLE.map((n) => ({ value: String(n), label: String(n) })),
            ]}
            onChange={(event) => setPeople(event.currentTarget.value === "" ? null : Number(event.currentTarget.value))}
          />
        </div>
      </div>
      <div className="stack" style={{ gap: 16 }}>
        <Panel title={a("measures")}>
          <Shown of={rate} lines={6}>
            {(known) => <Measures rate={known} />}
          </Shown>
        </Panel>
        {rate.data && <Details rate={rate.data} />}
        <Suppressions />
      </div>
    </div>
  );
}

function Measures({ rate }: { rate: Rate }) {
  const { a, number, percent } = useAlarmWords();
  const shown = (measure: Measure, value: number | null) =>
    value === null ? "—" : SHARES.includes(measure) ? percent(value) : number(value, Number.isInteger(value) ? 0 : 2);
  return (
    <div className="body stack" style={{ gap: 12 }}>
      <span data-testid="alarm-total">
        <Moment at={rate.since} shape="short" /> – <Moment at={rate.until} shape="short" /> · {a("rate.alerts")}{" "}
        {number(rate.total, 0)} · {a("suppressed")} {number(rate.silent, 0)} · {a("operators")}{" "}
        {number(rate.operators.n, 0)} ({a(`operators.from.${rate.operators.from}`)})
      </span>
      <ul className="alarm-tiles" data-testid="alarm-measures">
        {rate.verdicts.map(({ measure, value, target, verdict }) => (
          <li key={measure} data-verdict={verdict} data-measure={measure}>
            <span>{a(`measure.${measure}`)}</span>
            <strong>{shown(measure, value)}</strong>
            <span className="line" style={{ gap: 6 }}>
              <span className="tag" data-tone={verdict === "bad" ? "late" : undefined}>
                {a(`verdict.${verdict}`)}
              </span>
              <span className="quiet">{a("target", { n: shown(measure, target) })}</span>
            </span>
          </li>
        ))}
      </ul>
      <span className="quiet">{a("measures.source")}</span>
    </div>
  );
}

function Details({ rate }: { rate: Rate }) {
  const { a, number, percent, length, say } = useAlarmWords();
  return (
    <>
      <Panel title={a("rate")}>
        <div className="body">
          <RateChart rate={rate} />
        </div>
      </Panel>
      <div className="alarm-columns">
        <Panel title={a("taken")}>
          <div className="flush">
            <Table data-testid="alarm-taken">
              <thead>
                <tr>
                  <th>{a("taken.level")}</th>
                  <th>{a("taken.within")}</th>
                  <th className="right">{a("taken.share")}</th>
                  <th className="right">{a("taken.median")}</th>
                  <th className="right">{a("taken.priority")}</th>
                </tr>
              </thead>
              <tbody>
                {LEVELS.map((level) => {
                  const { minutes, due, in_time, median_s } = rate.acknowledged.levels[level];
                  return (
                    <tr key={level}>
                      <td>
                        <Severity level={Number(level) as Level} />
                      </td>
                      <td>{a("taken.minutes", { n: minutes })}</td>
                      <td className="right numeric">
                        {due === 0 ? <span className="quiet">—</span> : `${number(in_time, 0)} / ${number(due, 0)}`}
                      </td>
                      <td className="right numeric">{length(median_s)}</td>
                      <td className="right numeric">{percent(rate.priorities[level])}</td>
                    </tr>
                  );
                })}
              </tbody>
            </Table>
          </div>
          <div className="body quiet">
            {a("taken.aim")} {rate.fleeting > 0 && a("fleeting", { n: number(rate.fleeting, 0) })}
          </div>
        </Panel>
        <Panel title={a("floods")}>
          <div className="body stack">
            {rate.floods.length === 0 ? (
              <span>{a("floods.none")}</span>
            ) : (
              <ul style={{ margin: 0, paddingLeft: 18 }}>
                {rate.floods.map(({ from, to, alerts, peak }) => (
                  <li key={from}>
                    <Moment at={from} shape="short" /> – <Moment at={to} shape="short" />{" "}
                    {a("floods.one", { alerts: number(alerts, 0), peak: number(peak, 1) })}
                  </li>
                ))}
              </ul>
            )}
            <span className="quiet">{a("floods.why")}</span>
          </div>
        </Panel>
        <Panel title={a("worst")}>
          <Matters of={rate.matters} none={a("worst.none")} test="alarm-worst">
            {({ alerts }) => `${number(alerts, 0)} · ${percent(rate.total ? alerts / rate.total : null)}`}
          </Matters>
        </Panel>
        <Panel title={a("kinds")}>
          {rate.kinds.length === 0 ? (
            <Empty title={a("worst.none")} />
          ) : (
            <div className="flush">
              <Table>
                <tbody>
                  {rate.kinds.map(({ kind, title, alerts, share }) => (
                    <tr key={kind}>
                      <td>{say(title)}</td>
                      <td className="right numeric">
                        {number(alerts, 0)} · {percent(share)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </Table>
            </div>
          )}
        </Panel>
        <Panel title={a("chattering")}>
          <Matters of={rate.chattering} none={a("chattering.none")} test="alarm-chattering">
            {({ alerts }) => number(alerts, 0)}
          </Matters>
          <div className="body quiet">{a("chattering.why")}</div>
        </Panel>
        <Panel title={a("stale")}>
          <Matters of={rate.stale.items} none={a("stale.none", { hours: rate.stale.hours })} test="alarm-stale">
            {({ hours, incident_id }) =>
              `${length(hours * 3_600)} · ${a(incident_id === null ? "stale.waiting" : "stale.handled")}`
            }
          </Matters>
          {rate.stale.total > 0 && (
            <div className="body quiet">
              {a("stale.why", { hours: rate.stale.hours, n: number(rate.stale.total, 0) })}
            </div>
          )}
        </Panel>
      </div>
    </>
  );
}

function Matters<T extends Omit<Worst, "alerts">>({
  of,
  none,
  test,
  children,
}: {
  of: T[];
  none: string;
  test: string;
  children: (one: T) => ReactNode;
}) {
  const { say } = useAlarmWords();
  if (of.length === 0) return <Empty title={none} />;
  return (
    <div className="flush">
      <Table data-testid={test}>
        <tbody>
          {of.map((one) => (
            <tr key={`${one.kind} ${one.alert_id}`}>
              <td>
                <Link href={`/alerts/${encodeURIComponent(one.alert_id)}`}>{say(one.subject.name)}</Link>{" "}
                <span className="quiet">{say(one.title)}</span>
              </td>
              <td className="right numeric">{children(one)}</td>
            </tr>
          ))}
        </tbody>
      </Table>
    </div>
  );
}

function Suppressions() {
  const { a, say } = useAlarmWords();
  const now = useSuppressions("in_force");
  const ended = useSuppressions("ended");
  const held = useAlerts("suppressed");
  return (
    <>
      <Panel title={a("suppressed")}>
        <Shown of={now}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title={a("suppressed.none")}>{a("suppressed.why")}</Empty>
            ) : (
              <SuppressionTable of={items} test="suppressions" />
            )
          }
        </Shown>
        {held.data !== undefined && held.data.items.length > 0 && (
          <div className="body stack" data-testid="suppressed-alerts">
            <strong>{a("held")}</strong>
            <ul style={{ margin: 0, paddingLeft: 18 }}>
              {held.data.items.map((alert) => (
                <li key={alert.id}>
                  <Link href={`/alerts/${encodeURIComponent(alert.id)}`}>{say(alert.subject.name)}</Link>{" "}
                  <span className="quiet">{say(alert.kind_title)}</span> <Severity level={alert.level} />
                </li>
              ))}
            </ul>
            <span className="quiet">{a("suppressed.why")}</span>
          </div>
        )}
      </Panel>
      {ended.data !== undefined && ended.data.items.length > 0 && (
        <Panel title={a("suppressed.ended")}>
          <SuppressionTable of={ended.data.items} test="suppressions-ended" />
        </Panel>
      )}
    </>
  );
}

function SuppressionTable({ of, test }: { of: Suppression[]; test: string }) {
  const { a, say, number } = useAlarmWords();
  const may = useMay("alert.suppress");
  return (
    <div className="flush">
      <Table data-testid={test}>
        <thead>
          <tr>
            <th>{a("suppressed.what")}</th>
            <th>{a("taken.level")}</th>
            <th>{a("suppressed.reason")}</th>
            <th>{a("suppressed.who")}</th>
            <th>{a("suppressed.until")}</th>
            <th className="right">{a("suppressed.held")}</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {of.map((one) => (
            <tr key={one.id}>
              <td>
                <span className="tag">{a(`scope.${one.scope}`)}</span> {say(one.kind_title)}
                <div className="quiet">
                  {one.subject === null ? a("suppressed.all") : say(one.subject.name)}
                  {one.detector !== null && ` · ${one.detector}`}
                </div>
              </td>
              <td>
                <Severity level={one.level} />
              </td>
              <td>{one.reason}</td>
              <td>
                {say(one.by.name)}
                <div className="quiet">
                  <Moment at={one.at} shape="short" />
                </div>
              </td>
              <td>
                <Moment at={one.until} />
                {one.state !== "in_force" && (
                  <div className="quiet">
                    {a(`suppressed.${one.state}`)} <Moment at={one.ended_at} shape="short" />
                  </div>
                )}
              </td>
              <td className="right numeric">
                {number(one.alerts.held, 0)} / {number(one.alerts.ever, 0)}
              </td>
              <td className="right">{may && one.state === "in_force" && <Lift one={one} />}</td>
            </tr>
          ))}
        </tbody>
      </Table>
    </div>
  );
}

function Lift({ one }: { one: Suppression }) {
  const { a } = useAlarmWords();
  const tell = useTell();
  const client = useQueryClient();
  const id = useRef(commandId()); // one button is one intent, however often it is pressed
  const lift = useMutation({
    mutationFn: () =>
      request<Suppression>(
        "DELETE",
        `/api/suppressions/${encodeURIComponent(one.id)}?command_id=${encodeURIComponent(id.current)}`,
      ),
    onSuccess: () => {
      tell.done(a("lift.done"));
      void client.invalidateQueries({ queryKey: ["alerts"] });
      void client.invalidateQueries({ queryKey: ["alert"] });
    },
    onError: tell.failed,
  });
  return (
    <Button
      size="xs"
      variant="default"
      data-testid="suppression-lift"
      loading={lift.isPending}
      onClick={() => lift.mutate()}
    >
      {a("suppressed.lift")}
    </Button>
  );
}
