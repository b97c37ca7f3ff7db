/** Backtests that were kept, side by side. */

import { Button } from "@mantine/core";
import { useCommand } from "../api/useCommand";
import { duration } from "../time/format";
import { Empty } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import type { Trial } from "./queries";
import { useDetectorWords } from "./words";

export function StateOf({ of: { state, share } }: { of: Trial }) {
  const { p, number } = useDetectorWords();
  return (
    <span
      className="tag"
      data-tone={state === "failed" ? "late" : undefined}
      data-testid="trial-state"
      data-state={state}
    >
      {p(`state.${state}`, { share: `${number(share * 100, 0)}%` })}
    </span>
  );
}

export function StopTrial({ of }: { of: Trial }) {
  const { p } = useDetectorWords();
  const tell = useTell();
  const stop = useCommand<Trial>({ done: () => tell.done(p("stopped")), failed: tell.failed });
  return (
    <Button
      size="xs"
      variant="default"
      loading={stop.isPending}
      data-testid="trial-stop"
      onClick={() => stop.mutate({ path: `/api/trials/${encodeURIComponent(of.id)}/stop` })}
    >
      {p("stop")}
    </Button>
  );
}

/** `lowest 60, share 0.5`, or that nothing was changed. */
export function Changed({ of: { parameters } }: { of: Trial }) {
  const { p } = useDetectorWords();
  const names = Object.entries(parameters);
  if (names.length === 0) return <span className="quiet">{p("presentOnly")}</span>;
  return <span className="mono">{names.map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(", ")}</span>;
}

export function Trials({
  of,
  chosen,
  open,
  may,
}: {
  of: Trial[];
  chosen: string | null;
  open: (id: string) => void;
  may: boolean;
}) {
  const { p, say, number, language } = useDetectorWords();
  if (of.length === 0) return <Empty title={p("noTrials")} />;
  const count = (value: number | undefined) => (value === undefined ? "—" : number(value, 0));
  return (
    <section className="long-scroll" tabIndex={0} aria-label={p("trials")}>
      <table className="table stacks" data-testid="trials">
        <thead>
          <tr>
            <th>{p("called")}</th>
            <th>{p("state")}</th>
            <th>{p("period")}</th>
            <th>{p("changed")}</th>
            <th className="right">{p("raised")}</th>
            <th className="right">{p("present")}</th>
            <th className="right">{p("real")}</th>
            <th className="right">{p("gained")}</th>
            <th className="right">{p("lost")}</th>
            <th className="right">{p("seconds")}</th>
            <th>{p("by")}</th>
            {may && <th />}
          </tr>
        </thead>
        <tbody>
          {of.map((one) => (
            <tr key={one.id} data-testid="trial-row" aria-current={one.id === chosen ? "true" : undefined}>
              <td>
                <button type="button" className="link" onClick={() => open(one.id)}>
                  {one.name}
                </button>
              </td>
              <td>
                <StateOf of={one} />
              </td>
              <td>
                <Moment at={one.since} shape="date" /> – <Moment at={one.until} shape="date" />
              </td>
              <td>
                <Changed of={one} />
              </td>
              <td className="right numeric" data-label={p("raised")}>
                {count(one.result?.trial.raised)}
              </td>
              <td className="right numeric" data-label={p("present")}>
                {count(one.result?.present?.raised)}
              </td>
              <td className="right numeric" data-label={p("real")}>
                {count(one.result?.real)}
              </td>
              <td className="right numeric" data-label={p("gained")}>
                {count(one.result?.gained_total)}
              </td>
              <td className="right numeric" data-label={p("lost")}>
                {count(one.result?.lost_total)}
              </td>
              <td className="right" data-label={p("seconds")}>
                {one.seconds === null ? "—" : duration(one.seconds, language)}
              </td>
              <td data-label={p("by")}>{say(one.by.name)}</td>
              {may && <td className="right">{one.state === "running" && <StopTrial of={one} />}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
