/** One dataset: what it is for, what its contract asks of every field, and how good what its sources deliver is. */

import { Link, useParams } from "wouter";
import { CellView } from "../ui/Cell";
import { Panel } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { Cleaned } from "./Cleaned";
import { GrantList, Requests, Sight } from "./GrantsPart";
import { Figure, Quality, StateWord, Unanswered } from "./parts";
import { useDataset } from "./queries";
import { RowsPart } from "./RowsPart";
import { Rules } from "./Rules";
import { Tabs } from "./Tabs";
import { type CatalogueDataset, unseen } from "./types";
import { useFlowWords } from "./words";

export default function DatasetPage() {
  const { name = "" } = useParams<{ name: string }>();
  const dataset = useDataset(decodeURIComponent(name));
  return (
    <div className="page">
      {dataset.data === undefined ? <Unanswered of={dataset} back="catalogue" /> : <View dataset={dataset.data} />}
    </div>
  );
}

function View({ dataset }: { dataset: CatalogueDataset }) {
  const { f, say, number, length, code } = useFlowWords();
  return (
    <>
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/catalogue">{f("catalogue.title")}</Link> / <span className="mono">{dataset.name}</span>
          </div>
          <h1 className="line" style={{ fontSize: 20, margin: 0 }}>
            {say(dataset.title)} {dataset.state && <StateWord state={dataset.state} />}
          </h1>
          <div>{say(dataset.purpose)}</div>
        </div>
        <Tabs at="catalogue" />
      </div>
      <Panel>
        <dl className="flow-figures">
          <Figure name={f("catalogue.owner")}>
            <Link href={`/flow/${encodeURIComponent(dataset.owner)}`}>{say(dataset.owner_title)}</Link>
          </Figure>
          <Figure name={f("catalogue.sharing")}>{f(`sharing.${dataset.sharing}`)}</Figure>
          <Figure name={f("catalogue.classification")}>{code("class", dataset.classification)}</Figure>
          <Figure name={f("catalogue.rows")}>{unseen(dataset) ? "—" : number(dataset.rows, 0)}</Figure>
          <Figure name={f("table.quality")}>
            <Quality share={dataset.quality} />
          </Figure>
          <Figure name={f("catalogue.cycle")}>{length(dataset.update_cycle_seconds)}</Figure>
          <Figure name={f("catalogue.freshness")}>{length(dataset.freshness_seconds)}</Figure>
        </dl>
        <dl className="pairs" style={{ padding: "0 12px 12px" }}>
          <dt>{f("dataset.key")}</dt>
          <dd className="mono">{dataset.key.join(", ") || "—"}</dd>
          <dt>{f("dataset.time")}</dt>
          <dd>
            <span className="mono">{dataset.time}</span> <span className="quiet">{dataset.zone}</span>
          </dd>
        </dl>
      </Panel>
      <Sight dataset={dataset} />
      <Requests dataset={dataset.name} />
      <GrantList dataset={dataset} />
      <RowsPart dataset={dataset} />
      <Panel title={f("dataset.fields")} aside={<span className="quiet mono">{dataset.digest.slice(0, 12)}</span>}>
        <section className="flush" tabIndex={0} aria-label={f("dataset.fields")}>
          <Table>
            <thead>
              <tr>
                <th>{f("bad.field")}</th>
                <th>{f("dataset.rules")}</th>
                <th>{f("bad.named")}</th>
              </tr>
            </thead>
            <tbody>
              {dataset.fields.map((field) => (
                <tr key={field.name}>
                  <td>
                    <span className="mono">{field.name}</span> {say(field.title)}{" "}
                    {field.key && <span className="tag">{f("dataset.key")}</span>}{" "}
                    {field.secrecy && <span className="tag">{f(`secrecy.${field.secrecy}`)}</span>}{" "}
                    {field.withheld && <span className="quiet">{f("field.withheld")}</span>}
                    {field.description && <div className="quiet">{say(field.description)}</div>}
                  </td>
                  <td>
                    <Rules of={field} />
                  </td>
                  <td className="flow-wrap">{field.named.join(" · ")}</td>
                </tr>
              ))}
            </tbody>
          </Table>
        </section>
      </Panel>
      {dataset.sources.length === 0 ? (
        <Panel title={f("dataset.sources")}>
          <div className="body quiet">
            {f(unseen(dataset) ? "dataset.hiddenSources" : "dataset.derived", { n: dataset.hidden_sources })}
          </div>
        </Panel>
      ) : (
        dataset.sources.map((source) => <SourceQuality key={source.id} source={source} />)
      )}
    </>
  );
}

function SourceQuality({ source }: { source: CatalogueDataset["sources"][number] }) {
  const { f, say, number } = useFlowWords();
  const cleaned = Cleaned.any(source.quality.fields);
  const share = (count: number) =>
    source.quality.rows > 0 && (
      <span className="quiet"> {number((100 * count) / source.quality.rows, count > 0 ? 1 : 0)}%</span>
    );
  return (
    <Panel
      title={
        <span className="line">
          <Link href={`/sources/${encodeURIComponent(source.id)}`}>{say(source.title)}</Link>
          <span className="quiet">{say(source.department_title)}</span>
          <StateWord state={source.state} />
        </span>
      }
      aside={
        <span className="quiet">
          {f("quality.rows", { n: number(source.quality.rows, 0) })} · <Moment at={source.last_delivery_at} ago />
        </span>
      }
    >
      {source.quality.fields.length > 0 && (
        <section className="flush" tabIndex={0} aria-label={say(source.title)}>
          <Table>
            <thead>
              <tr>
                <th>{f("quality.field")}</th>
                <th className="right">{f("quality.missing")}</th>
                <th className="right">{f("quality.invalid")}</th>
                {cleaned && <Cleaned.Heading />}
                <th className="right">{f("quality.min")}</th>
                <th className="right">{f("quality.max")}</th>
              </tr>
            </thead>
            <tbody>
              {source.quality.fields.map((field) => (
                <tr key={field.name}>
                  <td className="mono">{field.name}</td>
                  <td className="right">
                    {number(field.missing, 0)}
                    {share(field.missing)}
                  </td>
                  <td className="right">
                    {number(field.invalid, 0)}
                    {share(field.invalid)}
                  </td>
                  {cleaned && <Cleaned.Cell of={field} />}
                  <td className="right">
                    <CellView cell={field.min} />
                  </td>
                  <td className="right">
                    <CellView cell={field.max} />
                  </td>
                </tr>
              ))}
            </tbody>
          </Table>
        </section>
      )}
    </Panel>
  );
}
