import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { post } from "../api/client";
import { useCommand } from "../api/useCommand";
import { Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { useVerification, type Verification } from "./queries";
import { useAuditWords } from "./words";

export function VerifyPanel() {
  const { p } = useAuditWords();
  const tell = useTell();
  const client = useQueryClient();
  const status = useVerification();
  const told = (answer: Verification) => client.setQueryData(["verification"], answer);
  const start = useCommand<Verification>({ done: told, failed: tell.failed });
  const stop = useMutation({
    mutationFn: () => post<Verification>("/api/audit/verification/stop"),
    onSuccess: told,
    onError: tell.failed,
  });
  const running = status.data?.state === "running";
  return (
    <Panel
      title={p("verify")}
      aside={
        running ? (
          <Button
            size="xs"
            variant="default"
            loading={stop.isPending}
            data-testid="verify-stop"
            onClick={() => stop.mutate()}
          >
            {p("stop")}
          </Button>
        ) : (
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
        <Shown of={status} lines={1}>
          {(one) => <Result of={one} />}
        </Shown>
      </div>
    </Panel>
  );
}

function Result({ of: one }: { of: Verification }) {
  const { p, number } = useAuditWords();
  const whole = (value: number | undefined) => number(value ?? 0, 0);
  return (
    <>
      {one.state === "running" && (
        <div role="status">
          <progress className="progress" value={one.share} max={1} aria-label={p("verify")} />
          <div>{p("running", { checked: whole(one.checked), total: whole(one.total) })}</div>
        </div>
      )}
      {one.state !== "running" && one.state !== "idle" && (
        <div role="status" data-testid="verify-result" data-state={one.state} data-breaks={one.breaks ?? ""}>
          {one.state === "done" && one.breaks === 0 && (
            <strong>
              {p("done", {
                events: whole(one.events),
                streams: whole(one.streams),
                seals: whole(one.seals),
                seconds: number(one.seconds ?? 0, 1),
              })}
            </strong>
          )}
          {(one.breaks ?? 0) > 0 && <strong className="late">{p("broken", { n: whole(one.breaks) })}</strong>}
          {one.state === "stopped" && <div>{p("stopped", { checked: whole(one.checked) })}</div>}
          {one.state === "failed" && <span className="late">{p("failed", { reason: one.reason ?? "" })}</span>}{" "}
          {one.ended_at && <Moment at={one.ended_at} />}
          {one.digest && (
            <div>
              {p("digest", { upto: whole(one.upto) })}: <code style={{ overflowWrap: "anywhere" }}>{one.digest}</code>
              <div className="quiet">{p("digestWhy")}</div>
            </div>
          )}
        </div>
      )}
      {one.faults.length > 0 && (
        <section className="flush" style={{ maxHeight: 240, overflow: "auto" }} tabIndex={0} aria-label={p("what")}>
          <table className="table">
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
          </table>
        </section>
      )}
      {one.before.length > 0 && (
        <details>
          <summary>{p("before")}</summary>
          <section className="flush" style={{ overflow: "auto" }} tabIndex={0} aria-label={p("before")}>
            <table className="table">
              <thead>
                <tr>
                  <th>{p("at")}</th>
                  <th>{p("by")}</th>
                  <th>{p("result")}</th>
                  <th>SHA-256</th>
                </tr>
              </thead>
              <tbody>
                {one.before.map((proof, at) => (
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
            </table>
          </section>
        </details>
      )}
    </>
  );
}
