/** Every source of the city: is it flowing, how fresh, how much landed, how much was refused and why. */

import { NativeSelect, TextInput } from "@mantine/core";
import { Link, useLocation, useSearchParams } from "wouter";
import { useMay, useSources } from "../api/queries";
import type { Source } from "../api/types";
import { Tabs } from "../flow/Tabs";
import { useFlowWords } from "../flow/words";
import { duration } from "../time/format";
import { useDatasetTitle } from "../ui/DatasetName";
import { SourceStateWord } from "../ui/SourceState";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";

/** What needs a person first. */
const STATES = ["failing", "refused", "late", "idle", "ok"] as const;
const rank = ({ state }: Source) => STATES.indexOf(state);

export default function Sources() {
  const { f, t, say, number, language, state: word } = useFlowWords();
  const [, go] = useLocation();
  const sources = useSources();
  const titled = useDatasetTitle();
  const [params, setParams] = useSearchParams();
  const mayManage = useMay("source.manage");
  const find = params.get("q") ?? "";
  const only = params.get("state") ?? "";
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
  const fits = (one: Source) =>
    (only === "" || (only === "files" ? one.files !== null : one.state === only)) &&
    [one.id, one.dataset, titled(one.dataset), ...Object.values(one.title), ...Object.values(one.department_title)]
      .join(" ")
      .toLowerCase()
      .includes(wanted);
  return (
    <div className="page">
      <div className="head">
        <div className="line">
          <h1 style={{ fontSize: 20, margin: 0 }}>{t("nav.sources")}</h1>
          <Tabs at="sources" />
        </div>
        <div className="line">
          <TextInput
            size="xs"
            w={250}
            aria-label={f("sources.find")}
            placeholder={f("sources.find")}
            value={find}
            onChange={({ currentTarget: { value } }) => set("q", value)}
          />
          <NativeSelect
            size="xs"
            aria-label={f("sources.byState")}
            data={[
              { value: "", label: f("sources.any") },
              ...STATES.map((one) => ({ value: one, label: word(one) })),
              ...(mayManage ? [{ value: "files", label: f("sources.filesOnly") }] : []),
            ]}
            value={only}
            onChange={({ currentTarget: { value } }) => set("state", value)}
          />
        </div>
      </div>
      <Panel>
        <Shown of={sources} lines={8}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title={f("sources.empty")}>{f("sources.emptyWhy")}</Empty>
            ) : !items.some(fits) ? (
              <Empty title={f("table.nothing")}>{f("table.nothingWhy")}</Empty>
            ) : (
              <section className="flush" tabIndex={0} aria-label={t("nav.sources")}>
                <Table>
                  <thead>
                    <tr>
                      <th data-cell="plain">{f("sources.state")}</th>
                      <th data-cell="title">{f("sources.title")}</th>
                      <th data-cell="plain">{f("sources.department")}</th>
                      <th>{f("sources.dataset")}</th>
                      <th className="right">{f("sources.freshness")}</th>
                      <th className="right">{f("sources.deliveries")}</th>
                      <th className="right">{f("sources.rows")}</th>
                      <th className="right">{f("sources.quarantined")}</th>
                      <th>{f("sources.nextTry")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {items
                      .filter(fits)
                      .sort((a, b) => rank(a) - rank(b))
                      .map((source) => {
                        const path = `/sources/${encodeURIComponent(source.id)}`;
                        return (
                          <tr
                            key={source.id}
                            data-link
                            data-testid="source-row"
                            data-source={source.id}
                            onClick={() => go(path)}
                          >
                            <td>
                              <SourceStateWord state={source.state} />
                            </td>
                            <td>
                              <Link href={path} onClick={(event) => event.stopPropagation()}>
                                {say(source.title)}
                              </Link>
                              {source.reason && <div className="quiet">{say(source.reason)}</div>}
                              {source.drift.length > 0 && (
                                <span className="tag">{f("sources.drift", { n: source.drift.length })}</span>
                              )}
                            </td>
                            <td>{say(source.department_title)}</td>
                            <td title={source.dataset}>{titled(source.dataset)}</td>
                            <td className="right">
                              {source.freshness_seconds === null ? "—" : duration(source.freshness_seconds, language)}
                            </td>
                            <td className="right">{number(source.deliveries, 0)}</td>
                            <td className="right">{number(source.rows, 0)}</td>
                            <td className="right">{number(source.quarantined, 0)}</td>
                            <td>
                              <Moment at={source.next_try_at} shape="short" />
                            </td>
                          </tr>
                        );
                      })}
                  </tbody>
                </Table>
              </section>
            )
          }
        </Shown>
      </Panel>
    </div>
  );
}
