/** One row in quarantine: why, in words; what the contract asks for; its bytes; and what can be done about it. */

import { Button, NativeSelect } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link, useParams } from "wouter";
import type { Replay } from "../api/types";
import { useCommand } from "../api/useCommand";
import { Panel } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { bytesOf, ENCODINGS, hex, looksLikeText, readable, recordOf } from "./hex";
import { Choice, Unanswered, useDeliveryName, Why } from "./parts";
import { useBadRow } from "./queries";
import { ReplayResult } from "./Replaying";
import { Rules } from "./Rules";
import type { BadRow } from "./types";
import { useFlowWords } from "./words";

export default function BadRowPage() {
  const { id = "" } = useParams<{ id: string }>();
  const row = useBadRow(decodeURIComponent(id));
  return (
    <div className="page">
      {row.data === undefined ? <Unanswered of={row} back="quarantine" /> : <View key={row.data.id} row={row.data} />}
    </div>
  );
}

const at = (id: string) => `/quarantine/${encodeURIComponent(id)}`;

function View({ row }: { row: BadRow }) {
  const { f, say, code } = useFlowWords();
  const place = row.row === 0 ? f("bad.whole") : f("bad.row", { n: row.row });
  const name = useDeliveryName()(row.name);
  const file = row.member ? f("bad.inFile", { file: name, member: row.member }) : name;
  return (
    <>
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href={`/flow/${encodeURIComponent(row.department)}`}>{say(row.department_title)}</Link> /{" "}
            <Link href={`/sources/${encodeURIComponent(row.source)}`}>{say(row.source_title)}</Link> /{" "}
            <Link href={`/deliveries/${encodeURIComponent(row.delivery)}`}>{file || row.delivery}</Link> / {place}
          </div>
          <h1 style={{ fontSize: 20, margin: 0 }} data-testid="bad-why">
            <Why reason={row.reason} />
          </h1>
          <div className="quiet line">
            <span title={row.reason.code}>{code("reason", row.reason.code)}</span>
            <Moment at={row.at} ago />
            <span className="tag" data-testid="bad-state">
              {f(`quarantine.${row.state}`)}
            </span>
            {row.closed_at && (
              <span>
                {f("bad.closed", {
                  state: f(`quarantine.${row.state}`),
                  who: (row.closed_by ?? "").replace(/^user:/, ""),
                })}{" "}
                <Moment at={row.closed_at} />
              </span>
            )}
          </div>
        </div>
        <nav className="line" aria-label={f("bad.title")}>
          {row.previous && (
            <Link href={at(row.previous)} data-testid="bad-previous">
              ← {f("bad.previous")}
            </Link>
          )}
          {row.next && (
            <Link href={at(row.next)} data-testid="bad-next">
              {f("bad.next")} →
            </Link>
          )}
        </nav>
      </div>
      <div className="columns">
        <What row={row} />
        <div className="stack" style={{ gap: 16 }}>
          {row.declared && (
            <Panel title={f("bad.expected")}>
              <dl className="pairs" style={{ padding: "0 12px 12px" }}>
                <dt>{f("bad.field")}</dt>
                <dd>
                  <span className="mono">{row.declared.name}</span> {say(row.declared.title)}
                </dd>
                <dt>{f("dataset.rules")}</dt>
                <dd>
                  <Rules of={row.declared} />
                </dd>
                {row.declared.named.length > 0 && (
                  <>
                    <dt>{f("bad.named")}</dt>
                    <dd>{row.declared.named.join(" · ")}</dd>
                  </>
                )}
                <dt>{f("dataset.contract")}</dt>
                <dd>
                  <Link className="mono" href={`/catalogue/${encodeURIComponent(row.dataset)}`}>
                    {row.dataset}
                  </Link>
                </dd>
              </dl>
            </Panel>
          )}
          {row.may_replay && <Acts row={row} />}
        </div>
      </div>
    </>
  );
}

function Acts({ row }: { row: BadRow }) {
  const { f } = useFlowWords();
  const tell = useTell();
  const [result, setResult] = useState<Replay | null>(null);
  const replay = useCommand<Replay>({ done: setResult, failed: tell.failed });
  const dismiss = useCommand<{ dismissed: number }>({ done: () => tell.done(f("bad.dismissed")), failed: tell.failed });
  const read = row.form !== "line" && row.complete;
  if (row.state !== "open" && result === null) return null;
  return (
    <>
      {row.state === "open" && (
        <Panel title={f("replay")}>
          <div className="body stack">
            <p style={{ margin: 0 }}>
              {row.form === "line" ? f("bad.lineWhy") : row.complete ? f("bad.replayWhy") : f("bad.incomplete")}
            </p>
            <span className="line">
              {read && (
                <Button
                  size="xs"
                  data-testid="replay-reason"
                  loading={replay.isPending}
                  onClick={() =>
                    replay.mutate({
                      path: "/api/quarantine/replay",
                      body: { source: row.source, reason: row.reason.code },
                    })
                  }
                >
                  {f("bad.replay")}
                </Button>
              )}
              <Button
                size="xs"
                variant="default"
                data-testid="dismiss"
                loading={dismiss.isPending}
                onClick={() => dismiss.mutate({ path: "/api/quarantine/dismiss", body: { ids: [row.id] } })}
              >
                {f("bad.dismiss")}
              </Button>
            </span>
          </div>
        </Panel>
      )}
      {result && <ReplayResult result={result} />}
    </>
  );
}

type As = "table" | "text" | "hex";

function What({ row }: { row: BadRow }) {
  const { f, bytes: sized } = useFlowWords();
  const bytes = useMemo(() => bytesOf(row.bytes), [row.bytes]);
  const record = useMemo(() => (row.form === "record" ? recordOf(bytes) : null), [row.form, bytes]);
  const [as, setAs] = useState<As>(record ? "table" : looksLikeText(bytes) ? "text" : "hex");
  const [encoding, setEncoding] = useState<(typeof ENCODINGS)[number]>("utf-8");
  const wrong = new Set([row.reason.field ?? "", ...(row.declared?.named ?? [])]);
  const choices: (readonly [As, string])[] = [
    ...(record ? [["table", f("bad.asTable")] as const] : []),
    ["text", f("bad.asText")],
    ["hex", f("bad.asHex")],
  ];
  return (
    <Panel
      title={
        <>
          {f("bad.what")} <span className="quiet">{f(`bad.form.${row.form}`)}</span>
        </>
      }
      aside={
        row.withheld?.all ? undefined : (
          <span className="line">
            {as === "text" && (
              <NativeSelect
                size="xs"
                w={110}
                aria-label={f("bad.encoding")}
                data={[...ENCODINGS]}
                value={encoding}
                onChange={({ currentTarget: { value } }) =>
                  setEncoding(ENCODINGS.find((one) => one === value) ?? "utf-8")
                }
              />
            )}
            <Choice label={f("bad.as")} among={choices} value={as} choose={setAs} testid="bad-as" />
          </span>
        )
      }
    >
      {row.withheld && (
        <p className="quiet" style={{ margin: 0, padding: "8px 12px" }} data-testid="bad-withheld">
          {row.withheld.all ? f("bad.withheldAll") : f("bad.withheld", { columns: row.withheld.columns.join(" · ") })}
        </p>
      )}
      {row.withheld?.all ? null : as === "table" && record ? (
        <section className="flush" tabIndex={0} aria-label={f("bad.what")}>
          <Table className="flow-record">
            <thead>
              <tr>
                <th>{f("bad.column")}</th>
                <th>{f("bad.value")}</th>
              </tr>
            </thead>
            <tbody>
              {record.map(([name, value]) => (
                <tr key={name} data-wrong={wrong.has(name)}>
                  <td className="mono">{name}</td>
                  <td>{value}</td>
                </tr>
              ))}
            </tbody>
          </Table>
        </section>
      ) : (
        <div className="body">
          <pre
            className="flow-bytes"
            data-as={as}
            tabIndex={0}
            data-testid="bad-bytes"
            aria-label={f("bad.what")}
            role="region"
          >
            {as === "hex" ? hex(bytes) : readable(bytes, encoding)}
          </pre>
          {row.bytes_shown < row.bytes_kept && (
            <p className="quiet" style={{ margin: "6px 0 0" }}>
              {f("bad.cut", { kept: sized(row.bytes_kept), shown: sized(row.bytes_shown) })}
            </p>
          )}
        </div>
      )}
    </Panel>
  );
}
