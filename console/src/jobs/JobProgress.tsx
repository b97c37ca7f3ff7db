/** How far a piece of long work is, in words and as a bar, or why there is nothing to show of it; and its stop. */

import { Button } from "@mantine/core";
import { useCommand } from "../api/useCommand";
import { useTell } from "../ui/Toast";
import { type Job, underWay } from "./queries";
import { useJobWords } from "./words";
import "../ui/long.css";

export function JobTag({ of }: { of: Job }) {
  const { p, number } = useJobWords();
  return (
    <span
      className="tag"
      data-tone={of.state === "failed" || of.state === "interrupted" ? "late" : undefined}
      data-testid="job-state"
      data-state={of.state}
    >
      {p(`state.${of.stopping ? "stopping" : of.state}`)}
      {of.state === "running" && of.total > 0 && ` ${number(of.share * 100, 0)}%`}
    </span>
  );
}

export function StopJob({ of }: { of: Job }) {
  const { p } = useJobWords();
  const tell = useTell();
  const stop = useCommand<Job>({ done: () => tell.done(p("stopped")), failed: tell.failed });
  if (!of.may.stop) return null;
  return (
    <Button
      size="xs"
      variant="default"
      loading={stop.isPending}
      data-testid="job-stop"
      onClick={() => stop.mutate({ path: `/api/jobs/${encodeURIComponent(of.id)}/stop` })}
    >
      {p("stop")}
    </Button>
  );
}

/** Nothing of what is done: its page shows what came of it. */
export function JobProgress({ of }: { of: Job }) {
  const { p, say, number } = useJobWords();
  const share = `${number(of.share * 100, 0)}%`;
  const whole = (value: number) => number(value, 0);
  if (of.state === "done") return null;
  if (of.state === "failed")
    return (
      <p className="late" role="alert" data-testid="job-failed" style={{ margin: 0, overflowWrap: "anywhere" }}>
        {p("failed", { why: of.failure === null ? "" : say(of.failure) })}
      </p>
    );
  if (!underWay(of))
    return (
      <p role="status" data-testid={`job-${of.state}`} style={{ margin: 0 }}>
        {of.state === "interrupted"
          ? p("interrupted")
          : of.stopped_by === null
            ? p("stoppedAt", { share })
            : p("stoppedBy", { who: say(of.stopped_by.name), share })}
      </p>
    );
  const words = of.stopping
    ? p("stopping")
    : of.state === "waiting"
      ? of.before
        ? p("behind", { n: whole(of.before) })
        : p("first")
      : of.total === 0
        ? p("begins")
        : p("far", { share, done: whole(of.done), total: whole(of.total), unit: of.unit === null ? "" : say(of.unit) });
  return (
    <div className="stack" style={{ gap: 6 }} data-testid="job-progress" data-state={of.state}>
      <div className="line">
        <span className="numeric">{words}</span>
        {/* read aloud when the state changes, not with every step */}
        <span className="unseen" role="status">
          {p(`state.${of.stopping ? "stopping" : of.state}`)}
        </span>
        {!of.mine && <span className="quiet">{say(of.by.name)}</span>}
        <StopJob of={of} />
      </div>
      {of.state === "running" && (
        <progress className="progress" value={of.share} max={1} aria-label={say(of.title)} aria-valuetext={words} />
      )}
    </div>
  );
}
