/** Backtests that were kept, side by side. */

import { JobTag, StopJob } from "../jobs/JobProgress";
import { duration } from "../time/format";
import { Empty } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import type { Trial } from "./queries";
import { useDetectorWords } from "./words";

/** `lowest 60, share 0.5`, or that nothing was changed. */
export function Changed({ of }: { of: Trial }) {
  const { p } = useDetectorWords();
  const names = Object.entries(of.given.parameters);
  if (names.length === 0) return <span className="quiet">{p("presentOnly")}</span>;
  return <span className="mono">{names.map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(", ")}</span>;
}

export function Trials({ of, chosen, open }: { of: Trial[]; chosen: string | null; open: (id: string) => void }) {
  const { p, say, number, language } = useDetectorWords();
  if (of.length === 0) return <Empty title={p("noTrials")} />;
  const count = (value: number | undefined) => (value === undefined ? "—" : number(value, 0));
  return (
    <section className="long-scroll" tabIndex={0} aria-label={p("trials")}>
      <Table data-testid="trials">
        <thead>
          <tr>
            <th>{p("called")}</th>
            <th data-cell="plain">{p("state")}</th>
            <th>{p("period")}</th>
            <th>{p("changed")}</th>
            <th className="right">{p("raised")}</th>
            <th className="right">{p("present")}</th>
            <th className="right">{p("real")}</th>
            <th className="right">{p("gained")}</th>
            <th className="right">{p("lost")}</th>
            <th className="right">{p("seconds")}</th>
            <th>{p("by")}</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {of.map((one) => (
            <tr key={one.id} data-testid="trial-row" aria-current={one.id === chosen ? "true" : undefined}>
              <td>
                <button type="button" className="link" onClick={() => open(one.id)}>
                  {say(one.title)}
                </button>
              </td>
              <td>
                <JobTag of={one} />
              </td>
              <td>
                <Moment at={one.given.since} shape="date" /> – <Moment at={one.given.until} shape="date" />
              </td>
              <td>
                <Changed of={one} />
              </td>
              <td className="right numeric">{count(one.result?.trial.raised)}</td>
              <td className="right numeric">{count(one.result?.present?.raised)}</td>
              <td className="right numeric">{count(one.result?.real)}</td>
              <td className="right numeric">{count(one.result?.gained_total)}</td>
              <td className="right numeric">{count(one.result?.lost_total)}</td>
              <td className="right">{one.seconds === null ? "—" : duration(one.seconds, language)}</td>
              <td>{say(one.by.name)}</td>
              <td className="right">
                <StopJob of={one} />
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}
