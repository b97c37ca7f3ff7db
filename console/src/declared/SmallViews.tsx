/** Facts and bars of a declared page. */

import { Link as Anchor } from "wouter";
import { Severity } from "../ui/Severity";
import { Empty } from "../ui/states";
import { Moment } from "../ui/Time";
import { unitWord } from "../ui/unit";
import { hrefOf, ValueView } from "./links";
import type { Bars, DatasetSaid, Facts } from "./types";
import { useDeclaredWords } from "./words";

export function FactsView({ content, sources }: { content: Facts; sources: DatasetSaid[] }) {
  const { d, say, language } = useDeclaredWords();
  const owners = new Map(sources.map(({ dataset, department_title }) => [dataset, say(department_title)]));
  if (content.items.length === 0) return <Empty title={d("empty.title")}>{d("empty.why")}</Empty>;
  return (
    <>
      <dl className="declared-facts">
        {content.items.map((one, at) => (
          <div key={`${say(one.label)} ${at}`}>
            <dt>{say(one.label)}</dt>
            <dd>
              <strong className="numeric">
                <ValueView
                  value={one.value}
                  column={{ name: "", title: one.label, kind: one.kind, digits: one.digits }}
                  href={one.link ? hrefOf(one.link, one.id ?? one.value, () => one.id ?? one.value) : null}
                />
                {one.unit && one.value !== null && ` ${unitWord(one.unit, language)}`}
              </strong>
              {(one.dataset || one.at) && (
                <span className="quiet">
                  {one.dataset ? (owners.get(one.dataset) ?? one.dataset) : ""}
                  {one.at && (
                    <>
                      {one.dataset ? " · " : ""}
                      {d("as.of")} <Moment at={one.at} />
                    </>
                  )}
                </span>
              )}
            </dd>
          </div>
        ))}
      </dl>
      {content.note && <p className="declared-note quiet">{say(content.note)}</p>}
    </>
  );
}

export function BarsView({ content, label }: { content: Bars; label: string }) {
  const { d, say, number, language } = useDeclaredWords();
  if (content.bars.length === 0) return <Empty title={d("empty.title")}>{d("empty.why")}</Empty>;
  const ends = [
    ...content.bars.flatMap(({ value, high }) => [value ?? 0, high ?? 0]),
    ...content.thresholds.map(({ value }) => value),
  ];
  const most = Math.max(...ends, 1e-9);
  const least = Math.min(0, ...content.bars.flatMap(({ value, low }) => [value ?? 0, low ?? 0]));
  const across = (value: number) => (100 * (value - least)) / (most - least);
  return (
    <>
      <section className="declared-scroll" tabIndex={0} aria-label={`${label}: ${d("table.scroll")}`}>
        <table className="declared-bars" data-testid="bars">
          <thead className="unseen">
            <tr>
              <th>{label}</th>
              <td />
              <th>{d("bar.value")}</th>
            </tr>
          </thead>
          <tbody>
            {content.bars.map((one, at) => {
              const href = content.link ? hrefOf(content.link, one.id, () => one.id) : null;
              const from = Math.min(across(0), across(one.value ?? 0));
              return (
                <tr key={`${one.id ?? ""} ${at}`}>
                  <th scope="row">
                    {one.level !== null && <Severity level={one.level} size={14} />}{" "}
                    {href ? <Anchor href={href}>{say(one.label)}</Anchor> : say(one.label)}
                  </th>
                  <td>
                    <svg width="100%" height="18" preserveAspectRatio="none" aria-hidden="true">
                      <rect
                        x={`${from}%`}
                        y="3"
                        width={`${Math.abs(across(one.value ?? 0) - across(0))}%`}
                        height="12"
                        data-level={one.level ?? undefined}
                      />
                      {one.low !== null && one.high !== null && (
                        <line x1={`${across(one.low)}%`} x2={`${across(one.high)}%`} y1="9" y2="9" className="error" />
                      )}
                      {content.thresholds.map(({ value }) => (
                        <line
                          key={value}
                          x1={`${across(value)}%`}
                          x2={`${across(value)}%`}
                          y1="0"
                          y2="18"
                          className="threshold"
                        />
                      ))}
                    </svg>
                  </td>
                  <td className="right numeric">
                    {number(one.value)}
                    {one.low !== null && one.high !== null && (
                      <span className="quiet">{` (${number(one.low)}–${number(one.high)})`}</span>
                    )}
                    {content.unit && ` ${unitWord(content.unit, language)}`}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      {content.thresholds.length > 0 && (
        <p className="declared-note quiet">
          {content.thresholds
            .map(({ name, value }) => `┆ ${say(name)} ${number(value)} ${unitWord(content.unit, language)}`)
            .join(" · ")}
        </p>
      )}
      {content.note && <p className="declared-note quiet">{say(content.note)}</p>}
    </>
  );
}
