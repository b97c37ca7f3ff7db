/** One department: what it delivers, how much, and which of its sources need somebody. */

import { Link, useLocation, useParams } from "wouter";
import { Empty, Panel } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { Bars } from "./Bars";
import { Figure, Quality, Spark, StateWord, troubled, Unanswered } from "./parts";
import { useDepartmentFlow } from "./queries";
import { Tabs } from "./Tabs";
import type { DepartmentFlow, FlowSource } from "./types";
import { useFlowWords } from "./words";

export default function DepartmentPage() {
  const { code = "" } = useParams<{ code: string }>();
  const flow = useDepartmentFlow(decodeURIComponent(code));
  return (
    <div className="page">
      {flow.data === undefined ? <Unanswered of={flow} back="flow" /> : <View flow={flow.data} />}
    </div>
  );
}

function View({ flow: { department, series, sources } }: { flow: DepartmentFlow }) {
  const { f, say, rate, number, bytes, percent, code } = useFlowWords();
  return (
    <>
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/flow">{f("flow.title")}</Link> / {code("kind", department.kind)}
          </div>
          <h1 className="line" style={{ fontSize: 20, margin: 0 }}>
            {say(department.title)} <StateWord state={department.state} />
          </h1>
        </div>
        <Tabs at="flow" />
      </div>
      <Panel>
        <dl className="flow-figures">
          <Figure name={`${f("table.rate")} · ${f("over.now")}`}>{rate(department.rate.now)}</Figure>
          <Figure name={`${f("table.rate")} · ${f("over.hour")}`}>{rate(department.rate.hour)}</Figure>
          <Figure name={f("table.day")} note={bytes(department.bytes_day)}>
            {number(department.rows.day, 0)}
          </Figure>
          <Figure name={f("total.quality")}>{percent(department.quality)}</Figure>
          <Figure name={f("total.open")}>
            <span className={department.open > 0 ? "flow-poor" : undefined}>{number(department.open, 0)}</span>
          </Figure>
          <div className="flow-figure">
            <dt>{f("table.freshness")}</dt>
            <dd>
              <Moment at={department.last_delivery_at} ago />
            </dd>
          </div>
        </dl>
      </Panel>
      <Panel title={f("department.sources")}>
        {sources.length === 0 ? (
          <Empty title={f("department.none")}>{f("department.noneWhy")}</Empty>
        ) : (
          <section className="flush" tabIndex={0} aria-label={f("department.sources")}>
            <Table>
              <thead>
                <tr>
                  <th data-cell="plain">{f("table.state")}</th>
                  <th data-cell="title">{f("table.source")}</th>
                  <th>{f("sources.connector")}</th>
                  <th className="right">{f("table.rate")}</th>
                  <th>{f("table.hours")}</th>
                  <th className="right">{f("table.day")}</th>
                  <th className="right">{f("table.quality")}</th>
                  <th className="right">{f("table.open")}</th>
                  <th>{f("table.freshness")}</th>
                </tr>
              </thead>
              <tbody>
                {sources.map((source) => (
                  <SourceRow key={source.id} source={source} />
                ))}
              </tbody>
            </Table>
          </section>
        )}
      </Panel>
      {sources.length > 0 && (
        <div className="flow-columns">
          <Panel title={f("department.minutes")}>
            <div className="body">
              <Bars steps={series.minutes} title={f("department.minutes")} />
            </div>
          </Panel>
          <Panel title={f("department.hours")}>
            <div className="body">
              <Bars steps={series.hours} title={f("department.hours")} />
            </div>
          </Panel>
        </div>
      )}
    </>
  );
}

function SourceRow({ source }: { source: FlowSource }) {
  const { f, say, rate, number, length, code } = useFlowWords();
  const [, go] = useLocation();
  const href = `/sources/${encodeURIComponent(source.id)}`;
  const connections = source.listener?.connections;
  return (
    <tr data-link data-testid="flow-source" data-source={source.id} onClick={() => go(href)}>
      <td>
        <StateWord state={source.state} />
      </td>
      <td>
        <Link href={href} onClick={(event) => event.stopPropagation()}>
          {say(source.title)}
        </Link>
        {source.reason && <div className="quiet flow-wrap">{say(source.reason)}</div>}
      </td>
      <td>
        <span className="mono">{source.connector}</span>
        {connections !== undefined && (
          <div className="quiet numeric">
            {number(connections, 0)} {code("listener", "connections")}
          </div>
        )}
      </td>
      <td className="right">{rate(source.rate.hour)}</td>
      <td>
        <Spark values={source.hours} />
      </td>
      <td className="right">{number(source.rows.day, 0)}</td>
      <td className="right">
        <Quality share={source.quality} />
      </td>
      <td className="right">{number(source.open, 0)}</td>
      <td>
        <span className={troubled(source.state) ? "flow-poor" : undefined}>{length(source.freshness_seconds)}</span>
        {source.update_cycle_seconds !== null && (
          <div className="quiet">{f("table.cycle", { length: length(source.update_cycle_seconds) })}</div>
        )}
      </td>
    </tr>
  );
}
