/** Every source of the city: is it flowing, how fresh, how much landed, how much was refused and why. */

import { Link, useLocation } from "wouter";
import { useSources } from "../api/queries";
import { Tabs } from "../flow/Tabs";
import { useFlowWords } from "../flow/words";
import { duration } from "../time/format";
import { SourceStateWord } from "../ui/SourceState";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";

export default function Sources() {
  const { f, t, say, number, language } = useFlowWords();
  const [, go] = useLocation();
  const sources = useSources();
  return (
    <div className="page">
      <div className="head">
        <div className="line">
          <h1 style={{ fontSize: 20, margin: 0 }}>{t("nav.sources")}</h1>
          <Tabs at="sources" />
        </div>
      </div>
      <Panel>
        <Shown of={sources} lines={8}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title={f("sources.empty")}>{f("sources.emptyWhy")}</Empty>
            ) : (
              <section className="flush" tabIndex={0} aria-label={t("nav.sources")}>
                <table className="table">
                  <thead>
                    <tr>
                      <th>{f("sources.state")}</th>
                      <th>{f("sources.title")}</th>
                      <th>{f("sources.department")}</th>
                      <th>{f("sources.dataset")}</th>
                      <th className="right">{f("sources.freshness")}</th>
                      <th className="right">{f("sources.deliveries")}</th>
                      <th className="right">{f("sources.rows")}</th>
                      <th className="right">{f("sources.quarantined")}</th>
                      <th>{f("sources.nextTry")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((source) => {
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
                          <td className="mono">{source.dataset}</td>
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
                </table>
              </section>
            )
          }
        </Shown>
      </Panel>
    </div>
  );
}
