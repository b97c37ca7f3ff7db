import { Button } from "@mantine/core";
import type { Iso } from "../api/types";
import { useCommand } from "../api/useCommand";
import { JobProgress } from "../jobs/JobProgress";
import { underWay, useNewestJob } from "../jobs/queries";
import { RealMoment } from "../people/parts";
import { Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { type Proof, type Proven, useProofs, type Verification } from "./queries";
import { useAuditWords } from "./words";

export function VerifyPanel() {
  const { p } = useAuditWords();
  const tell = useTell();
  const newest = useNewestJob<Verification>(["log-verification"], false);
  const before = useProofs();
  const start = useCommand({ failed: tell.failed });
  const running = newest.data ? underWay(newest.data) : false;
  return (
    <Panel
      title={p("verify")}
      aside={
        !running && (
          <Button
            size="xs"
            loading={start.isPending}
            data-testid="verify-start"
            onClick={() => start.mutate({ path: "/api/audit/verification" })}
          >
            {p("verify")}
          </Button>
        )
      }
    >
      <div className="body stack">
        <span className="quiet">{p("verifyWhy")}</span>
        <Shown of={newest} lines={1}>
          {(one) =>
            one && (
              <div
                className="stack"
                data-testid="verify-result"
                data-state={one.state}
                data-breaks={one.result?.breaks ?? ""}
              >
                <JobProgress of={one} />
                {one.state === "stopped" && <span>{p("stopped")}</span>}
                {one.result && <Result of={one.result} at={one.ended_at} />}
              </div>
            )
          }
        </Shown>
        <Shown of={before} lines={1}>
          {(of) => <Before of={of} />}
        </Shown>
      </div>
    </Panel>
  );
}

function Result({ of: one, at }: { of: Proven; at: Iso | null }) {
  const { p, number } = useAuditWords();
  const whole = (value: number) => number(value, 0);
  return (
    <>
      <div role="status">
        {one.breaks === 0 ? (
          <strong>
            {p("done", {
              events: whole(one.events),
              streams: whole(one.streams),
              seals: whole(one.seals),
              seconds: number(one.seconds, 1),
            })}
          </strong>
        ) : (
          <strong className="late">{p("broken", { n: whole(one.breaks) })}</strong>
        )}{" "}
        <RealMoment at={at} />
        <div>
          {p("digest", { upto: whole(one.upto) })}: <code style={{ overflowWrap: "anywhere" }}>{one.digest}</code>
          <div className="quiet">{p("digestWhy")}</div>
        </div>
      </div>
      {one.faults.length > 0 && (
        <section className="flush" style={{ maxHeight: 240, overflow: "auto" }} tabIndex={0} aria-label={p("what")}>
          <Table>
            <thead>
              <tr>
                <th>{p("place")}</th>
                <th>{p("what")}</th>
              </tr>
            </thead>
            <tbody>
              {one.faults.map(({ stream, n, what }, at) => (
                <tr key={at}>
                  <td className="mono">{`${stream}#${n}`}</td>
                  <td className="late">{p(`fault.${what}`)}</td>
                </tr>
              ))}
            </tbody>
          </Table>
        </section>
      )}
    </>
  );
}

function Before({ of }: { of: Proof[] }) {
  const { p } = useAuditWords();
  return (
    <>
      {of.length > 0 && (
        <details>
          <summary>{p("before")}</summary>
          <section className="flush" style={{ overflow: "auto" }} tabIndex={0} aria-label={p("before")}>
            <Table>
              <thead>
                <tr>
                  <th>{p("at")}</th>
                  <th>{p("by")}</th>
                  <th>{p("result")}</th>
                  <th>SHA-256</th>
                </tr>
              </thead>
              <tbody>
                {of.map((proof, at) => (
                  <tr key={at}>
                    <td>
                      <Moment at={proof.at} />
                    </td>
                    <td className="mono">{proof.by}</td>
                    <td>{proof.breaks === 0 ? p("intact") : p("faults", { n: proof.breaks })}</td>
                    <td className="mono" style={{ overflowWrap: "anywhere" }}>
                      {proof.digest} (#{proof.upto})
                    </td>
                  </tr>
                ))}
              </tbody>
            </Table>
          </section>
        </details>
      )}
    </>
  );
}
