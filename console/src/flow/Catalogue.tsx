/** The catalogue: every dataset, whose it is, how it is shared, how good and how fresh. */

import { NativeSelect, TextInput } from "@mantine/core";
import { Link, useLocation, useSearchParams } from "wouter";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Requests } from "./GrantsPart";
import { Quality, StateWord } from "./parts";
import { useCatalogue } from "./queries";
import { Tabs } from "./Tabs";
import { type CatalogueEntry, unseen } from "./types";
import { useFlowWords } from "./words";

const SHARING = ["1", "2", "3"] as const;

export default function Catalogue() {
  const { f } = useFlowWords();
  const [params, setParams] = useSearchParams();
  const datasets = useCatalogue();
  const find = params.get("q") ?? "";
  const sharing = SHARING.find((one) => one === params.get("sharing")) ?? "";
  const set = (name: string, value: string) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === "") after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  const wanted = find.trim().toLowerCase();
  const fits = (one: CatalogueEntry) =>
    (sharing === "" || String(one.sharing) === sharing) &&
    [one.name, ...Object.values(one.title), ...Object.values(one.owner_title), ...Object.values(one.purpose ?? {})]
      .join(" ")
      .toLowerCase()
      .includes(wanted);
  return (
    <div className="page">
      <div className="head">
        <div className="line">
          <h1 style={{ fontSize: 20, margin: 0 }}>{f("catalogue.title")}</h1>
          <Tabs at="catalogue" />
        </div>
        <div className="line">
          <TextInput
            size="xs"
            w={250}
            aria-label={f("catalogue.find")}
            placeholder={f("catalogue.find")}
            value={find}
            onChange={({ currentTarget: { value } }) => set("q", value)}
          />
          <NativeSelect
            size="xs"
            aria-label={f("catalogue.sharing")}
            data={[
              { value: "", label: f("catalogue.all") },
              ...SHARING.map((one) => ({ value: one, label: f(`sharing.${one}`) })),
            ]}
            value={sharing}
            onChange={({ currentTarget: { value } }) => set("sharing", value)}
          />
        </div>
      </div>
      <Requests dataset={null} />
      <Panel>
        <Shown of={datasets} lines={8}>
          {(items) => {
            const shown = items.filter(fits);
            if (items.length === 0) return <Empty title={f("catalogue.empty")}>{f("catalogue.emptyWhy")}</Empty>;
            if (shown.length === 0) return <Empty title={f("table.nothing")}>{f("table.nothingWhy")}</Empty>;
            return <List items={shown} />;
          }}
        </Shown>
      </Panel>
    </div>
  );
}

function List({ items }: { items: CatalogueEntry[] }) {
  const { f, say, number, length, code } = useFlowWords();
  const [, go] = useLocation();
  return (
    <section className="flush" tabIndex={0} aria-label={f("catalogue.title")}>
      <Table>
        <thead>
          <tr>
            <th>{f("catalogue.dataset")}</th>
            <th data-cell="plain">{f("catalogue.owner")}</th>
            <th>{f("catalogue.sharing")}</th>
            <th>{f("catalogue.classification")}</th>
            <th className="right">{f("catalogue.columns")}</th>
            <th className="right">{f("catalogue.rows")}</th>
            <th className="right">{f("table.quality")}</th>
            <th className="right">{f("catalogue.cycle")}</th>
            <th className="right">{f("catalogue.freshness")}</th>
            <th data-cell="plain">{f("table.state")}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((one) => {
            const href = `/catalogue/${encodeURIComponent(one.name)}`;
            return (
              <tr key={one.name} data-link data-testid="dataset-row" data-dataset={one.name} onClick={() => go(href)}>
                <td>
                  <Link href={href} onClick={(event) => event.stopPropagation()}>
                    {say(one.title)}
                  </Link>{" "}
                  <span className="quiet mono">{one.name}</span>
                </td>
                <td>{say(one.owner_title)}</td>
                <td>{f(`sharing.${one.sharing}`)}</td>
                <td>{code("class", one.classification)}</td>
                <td className="right">{number(one.columns, 0)}</td>
                <td className="right">{unseen(one) ? "—" : number(one.rows, 0)}</td>
                <td className="right">
                  <Quality share={one.quality} />
                </td>
                <td className="right">{length(one.update_cycle_seconds)}</td>
                <td className="right">{length(one.freshness_seconds)}</td>
                <td>
                  {one.state === null ? (
                    <span className="quiet">{f(unseen(one) ? "catalogue.unseen" : "catalogue.noSource")}</span>
                  ) : (
                    <StateWord state={one.state} />
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </Table>
    </section>
  );
}
