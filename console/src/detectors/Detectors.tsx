/** Every detector of the city: is it looking, at what, what came of it. */

import { TextInput } from "@mantine/core";
import { Fragment } from "react";
import { Link, useSearchParams } from "wouter";
import { duration } from "../time/format";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { type Detector, useDetectors } from "./queries";
import { useDetectorWords } from "./words";
import "../ui/long.css";

const SHOWN = 3; // inputs of a detector in the list

export default function Detectors() {
  const { p } = useDetectorWords();
  const [params, setParams] = useSearchParams();
  const detectors = useDetectors();
  const find = params.get("q") ?? "";
  const wanted = find.trim().toLowerCase();
  const fits = ({ id, title, kind_title, inputs }: Detector) =>
    [id, ...Object.values(title), ...Object.values(kind_title ?? {}), ...inputs.map(({ dataset }) => dataset)]
      .join(" ")
      .toLowerCase()
      .includes(wanted);
  return (
    <div className="page">
      <div className="head">
        <h1 style={{ fontSize: 20, margin: 0 }}>{p("title")}</h1>
        <TextInput
          size="xs"
          w={250}
          aria-label={p("find")}
          placeholder={p("find")}
          data-testid="detectors-find"
          value={find}
          onChange={({ currentTarget: { value } }) => setParams(value === "" ? {} : { q: value }, { replace: true })}
        />
      </div>
      <p className="quiet" style={{ margin: 0 }}>
        {p("why")} {p("fatesWhy")}
      </p>
      <Panel>
        <Shown of={detectors} lines={8}>
          {(items) => {
            const shown = items.filter(fits);
            return shown.length === 0 ? <Empty title={p("none")}>{p("noneWhy")}</Empty> : <List items={shown} />;
          }}
        </Shown>
      </Panel>
    </div>
  );
}

function List({ items }: { items: Detector[] }) {
  const { p, say, number } = useDetectorWords();
  const apps = [...new Map(items.map(({ app }) => [app?.id ?? "", app])).values()];
  return (
    <section className="long-scroll" tabIndex={0} aria-label={p("title")}>
      <Table data-testid="detectors">
        <thead>
          <tr>
            <th>{p("rule")}</th>
            <th>{p("inputs")}</th>
            <th>{p("last")}</th>
            <th className="right">{p("findings")}</th>
            <th className="right">{p("alerts")}</th>
          </tr>
        </thead>
        <tbody>
          {apps.map((app) => (
            <Fragment key={app?.id ?? ""}>
              {app && (
                <tr>
                  <th colSpan={5} scope="rowgroup">
                    {say(app.title)}
                  </th>
                </tr>
              )}
              {items
                .filter((one) => (one.app?.id ?? "") === (app?.id ?? ""))
                .map((one) => (
                  <tr key={one.id} data-testid="detector-row" data-detector={one.id}>
                    <td>
                      <Link href={`/detectors/${encodeURIComponent(one.id)}`}>{say(one.title)}</Link>
                      <div className="quiet">
                        {one.kind_title && say(one.kind_title)} <span className="mono">{one.id}</span>
                      </div>
                      {one.failure !== null && <div className="late">{p("failure", { reason: one.failure })}</div>}
                    </td>
                    <td>
                      <Inputs of={one} few />
                    </td>
                    <td>
                      <Moment at={one.last_look_at} shape="short" />
                      <div className="quiet">
                        <Every of={one} />
                      </div>
                    </td>
                    <td className="right numeric">{number(one.last_30_days.findings, 0)}</td>
                    <td className="right numeric">
                      {number(one.last_30_days.alerts, 0)}
                      {one.last_30_days.alerts > 0 && (
                        <div className="quiet">
                          <Fates of={one} />
                        </div>
                      )}
                    </td>
                  </tr>
                ))}
            </Fragment>
          ))}
        </tbody>
      </Table>
    </section>
  );
}

export function Fates({ of: { last_30_days: counts } }: { of: Pick<Detector, "last_30_days"> }) {
  const { p } = useDetectorWords();
  return p("fates", counts);
}

export function Every({ of }: { of: Pick<Detector, "every_seconds"> }) {
  const { p, language } = useDetectorWords();
  return of.every_seconds === null ? p("onLanding") : p("every", { length: duration(of.every_seconds, language) });
}

/** What it reads, with how old that is; with `few` the rest of a long list is folded away. */
export function Inputs({ of, few = false }: { of: Pick<Detector, "inputs">; few?: boolean }) {
  const { p } = useDetectorWords();
  const many = few && of.inputs.length > SHOWN + 1;
  const rest = many ? of.inputs.slice(SHOWN) : [];
  return (
    <>
      <InputList items={many ? of.inputs.slice(0, SHOWN) : of.inputs} />
      {many && (
        <details>
          <summary className="quiet">{p("moreInputs", { n: rest.length })}</summary>
          <InputList items={rest} />
        </details>
      )}
    </>
  );
}

function InputList({ items }: { items: Detector["inputs"] }) {
  const { p, say, language } = useDetectorWords();
  return (
    <ul style={{ margin: 0, padding: 0, listStyle: "none" }}>
      {items.map(({ dataset, title, freshness_seconds: age }) => (
        <li key={dataset}>
          {title ? (
            <Link href={`/catalogue/${encodeURIComponent(dataset)}`}>{say(title)}</Link>
          ) : (
            <span className="mono">{dataset}</span>
          )}{" "}
          <span className="quiet">
            {age === null || age === undefined ? p("noFresh") : p("fresh", { length: duration(age, language) })}
          </span>
        </li>
      ))}
    </ul>
  );
}
