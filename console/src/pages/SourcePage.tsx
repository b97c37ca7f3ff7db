/** One source: its deliveries, the quality of every field, columns that drifted in, and the rows it could not land. */

import { Button, NativeSelect } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import { Link, useParams, useSearchParams } from "wouter";
import { post } from "../api/client";
import { useMay, useQuarantine, useSource } from "../api/queries";
import type { QuarantineRow, Replay, SourceDetail } from "../api/types";
import { useCommand } from "../api/useCommand";
import { Cleaned } from "../flow/Cleaned";
import { Why } from "../flow/parts";
import { ReplayResult } from "../flow/Replaying";
import { Deliveries, SourceFlowPanel } from "../flow/SourceFlow";
import { useFlowWords } from "../flow/words";
import { duration } from "../time/format";
import { CellView } from "../ui/Cell";
import { SourceStateWord } from "../ui/SourceState";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";

export default function SourcePage() {
  const { id: encoded = "" } = useParams<{ id: string }>();
  const id = decodeURIComponent(encoded);
  const source = useSource(id);
  if (source.data === undefined)
    return (
      <div className="page">
        <Panel>
          {source.error ? <Failure error={source.error} retry={() => void source.refetch()} /> : <Loading lines={8} />}
        </Panel>
      </div>
    );
  return <SourceView source={source.data} />;
}

/** Kinds of connector whose systems deliver when they want: they cannot be asked. */
const BY_THEMSELVES = new Set(["push", "jt808", "hj212", "mqtt"]);

function SourceView({ source }: { source: SourceDetail }) {
  const { f, t, say, number, language } = useFlowWords();
  const tell = useTell();
  const client = useQueryClient();
  const mayManage = useMay("source.manage");
  const pull = useMutation({
    mutationFn: () => post<unknown>(`/api/sources/${encodeURIComponent(source.id)}/pull`),
    onSuccess: () => tell.done(f("pull.done")),
    onError: tell.failed,
    onSettled: () => client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" }),
  });
  return (
    <div className="page">
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/flow">{t("nav.flow")}</Link> /{" "}
            <Link href={`/flow/${encodeURIComponent(source.department)}`}>{say(source.department_title)}</Link> /{" "}
            {source.id}
          </div>
          <h1 className="line" style={{ fontSize: 20, margin: 0 }}>
            {say(source.title)} <SourceStateWord state={source.state} />
          </h1>
          {source.reason && <div>{say(source.reason)}</div>}
          <div className="quiet line">
            <span>{say(source.department_title)}</span>
            <span>
              {t("evidence.dataset")}{" "}
              <Link className="mono" href={`/catalogue/${encodeURIComponent(source.dataset)}`}>
                {source.dataset}
              </Link>
            </span>
            <span>
              {f("sources.connector")} <span className="mono">{source.connector}</span>
            </span>
            <span>
              {f("sources.freshness")}{" "}
              {source.freshness_seconds === null ? "—" : duration(source.freshness_seconds, language)}
            </span>
            <span>
              {f("sources.rows")} <span className="numeric">{number(source.rows, 0)}</span>
            </span>
            {source.next_try_at && (
              <span>
                {f("sources.nextTry")} <Moment at={source.next_try_at} ago />
              </span>
            )}
          </div>
        </div>
        {mayManage && !BY_THEMSELVES.has(source.connector) && (
          <Button variant="default" data-testid="pull" loading={pull.isPending} onClick={() => pull.mutate()}>
            {f("pull")}
          </Button>
        )}
      </div>
      <SourceFlowPanel id={source.id} />
      <Quarantine source={source} />
      <div className="columns">
        <Quality source={source} />
        <div className="stack" style={{ gap: 16 }}>
          <Deliveries source={source.id} />
          <Drift source={source} />
        </div>
      </div>
    </div>
  );
}

const STATES = ["open", "replayed", "dismissed"] as const;

function Quarantine({ source }: { source: SourceDetail }) {
  const { f, t, number } = useFlowWords();
  const tell = useTell();
  const [params, setParams] = useSearchParams();
  const reason = params.get("reason");
  const state = params.get("state") ?? "open";
  const mayRead = useMay("quarantine.read");
  const mayReplay = useMay("quarantine.replay");
  const rows = useQuarantine(source.id, reason, state, mayRead);
  const everything = useQuarantine(source.id, null, state, mayRead);
  const [result, setResult] = useState<Replay | null>(null);
  const replay = useCommand<Replay>({
    done: (done) => {
      setResult(done);
      tell.done(f("replay.done", { tried: done.tried, landed: done.landed, bad: done.still_bad }));
    },
    failed: tell.failed,
  });
  const change = (name: string, value: string | null) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === null) after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  const reasons = new Set(everything.data?.items.map(({ reason: { code } }) => code));
  if (!mayRead)
    return (
      <Panel title={f("quarantine.title")}>
        <Empty title={t("state.forbidden")}>{t("state.forbiddenRemedy")}</Empty>
      </Panel>
    );
  return (
    <>
      {result && <ReplayResult result={result} />}
      <Panel
        title={f("quarantine.title")}
        aside={
          <span className="line">
            {rows.data && (
              <span className="quiet numeric">{f("quarantine.count", { n: number(rows.data.total, 0) })}</span>
            )}
            <NativeSelect
              size="xs"
              aria-label={f("quarantine.state")}
              w={110}
              data={STATES.map((one) => ({ value: one, label: f(`quarantine.${one}`) }))}
              value={state}
              onChange={({ currentTarget: { value } }) => change("state", value === "open" ? null : value)}
            />
            <NativeSelect
              size="xs"
              aria-label={f("quarantine.reason")}
              w={190}
              data={[
                { value: "", label: f("quarantine.allReasons") },
                ...[...new Set([...reasons, ...(reason ? [reason] : [])])].map((code) => ({
                  value: code,
                  label: code,
                })),
              ]}
              value={reason ?? ""}
              onChange={({ currentTarget: { value } }) => change("reason", value || null)}
            />
            {mayReplay && state === "open" && (
              <Button
                size="xs"
                data-testid="replay"
                disabled={rows.data?.total === 0}
                loading={replay.isPending}
                onClick={() =>
                  replay.mutate({
                    path: "/api/quarantine/replay",
                    body: { source: source.id, ...(reason ? { reason } : {}) },
                  })
                }
              >
                {f("replay")}
              </Button>
            )}
          </span>
        }
      >
        <Shown of={rows} lines={5}>
          {({ items, total }) =>
            items.length === 0 ? (
              <Empty title={f("quarantine.empty")}>{f("quarantine.emptyWhy")}</Empty>
            ) : (
              <>
                <QuarantineRows rows={items} />
                {total > items.length && (
                  <p className="quiet" style={{ margin: "4px 12px 8px" }}>
                    {f("quarantine.more", { shown: items.length, n: number(total, 0) })}
                  </p>
                )}
              </>
            )
          }
        </Shown>
      </Panel>
    </>
  );
}

const COLUMNS = {
  display: "grid",
  gridTemplateColumns: "120px 60px 200px minmax(180px, 1fr) minmax(240px, 2fr)",
} as const;

function QuarantineRows({ rows }: { rows: QuarantineRow[] }) {
  const { f } = useFlowWords();
  const box = useRef<HTMLDivElement>(null);
  const shown = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => 36,
    overscan: 10,
  });
  return (
    <div
      ref={box}
      role="table"
      tabIndex={0}
      aria-label={f("quarantine.title")}
      style={{ maxHeight: 380, overflow: "auto" }}
    >
      <div
        role="row"
        tabIndex={-1}
        className="quiet"
        style={{
          ...COLUMNS,
          background: "var(--surface)",
          gap: 12,
          minWidth: 860,
          padding: "6px 12px",
          position: "sticky",
          top: 0,
          zIndex: 1,
        }}
      >
        {(["at", "row", "delivery", "reason", "raw"] as const).map((name) => (
          <span key={name} role="columnheader">
            {f(`quarantine.col.${name}`)}
          </span>
        ))}
      </div>
      <div style={{ height: shown.getTotalSize(), minWidth: 860, position: "relative" }}>
        {shown.getVirtualItems().map(({ index, start, key }) => {
          const row = rows[index];
          if (row === undefined) return null;
          return (
            <div
              key={key}
              role="row"
              tabIndex={-1}
              data-testid="quarantine-row"
              data-index={index}
              ref={shown.measureElement}
              style={{
                ...COLUMNS,
                borderTop: "1px solid var(--line)",
                gap: 12,
                left: 0,
                padding: "6px 12px",
                position: "absolute",
                top: start,
                width: "100%",
              }}
            >
              <span role="cell">
                <Moment at={row.at} shape="short" />
              </span>
              <span role="cell" className="numeric">
                <Link href={`/quarantine/${encodeURIComponent(row.id)}`} data-testid="quarantine-open">
                  {row.row || "—"}
                </Link>
              </span>
              <span role="cell" className="mono" style={{ overflowWrap: "anywhere" }}>
                <Link href={`/deliveries/${encodeURIComponent(row.delivery)}`}>{row.name ?? row.delivery}</Link>
              </span>
              <span role="cell">
                <Why reason={row.reason} /> <span className="quiet mono">{row.reason.code}</span>
              </span>
              <span role="cell">
                <code className="raw">{row.raw.length > 400 ? `${row.raw.slice(0, 400)}…` : row.raw}</code>
              </span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Quality({ source }: { source: SourceDetail }) {
  const { f, number } = useFlowWords();
  const quality = source.quality;
  const cleaned = Cleaned.any(quality?.fields ?? []);
  return (
    <Panel
      title={f("quality.title")}
      aside={quality && <span className="quiet numeric">{f("quality.rows", { n: number(quality.rows, 0) })}</span>}
    >
      {quality === null || quality.fields.length === 0 ? (
        <Empty title={f("quality.empty")}>{f("quality.emptyWhy")}</Empty>
      ) : (
        <section className="flush" tabIndex={0} aria-label={f("quality.title")}>
          <table className="table">
            <thead>
              <tr>
                <th>{f("quality.field")}</th>
                <th className="right">{f("quality.missing")}</th>
                <th className="right">{f("quality.invalid")}</th>
                {cleaned && <Cleaned.Heading />}
                <th className="right">{f("quality.min")}</th>
                <th className="right">{f("quality.max")}</th>
              </tr>
            </thead>
            <tbody>
              {quality.fields.map((field) => (
                <tr key={field.name}>
                  <td className="mono">{field.name}</td>
                  <td className="right">
                    {number(field.missing, 0)}{" "}
                    {quality.rows > 0 && (
                      <span className="quiet">{number((100 * field.missing) / quality.rows, 1)}%</span>
                    )}
                  </td>
                  <td className="right">{number(field.invalid, 0)}</td>
                  {cleaned && <Cleaned.Cell of={field} />}
                  <td className="right">
                    <CellView cell={field.min} />
                  </td>
                  <td className="right">
                    <CellView cell={field.max} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </Panel>
  );
}

function Drift({ source }: { source: SourceDetail }) {
  const { f } = useFlowWords();
  return (
    <Panel title={f("drift.title")}>
      {source.drift.length === 0 ? (
        <div className="body quiet">{f("drift.empty")}</div>
      ) : (
        <div className="body">
          <p style={{ margin: "0 0 8px" }}>{f("drift.meaning")}</p>
          <dl className="pairs">
            {source.drift.map(({ column, first_seen_at }) => (
              <DriftPair key={column} column={column} at={first_seen_at} />
            ))}
          </dl>
        </div>
      )}
    </Panel>
  );
}

function DriftPair({ column, at }: { column: string; at: string }) {
  return (
    <>
      <dt className="mono">{column}</dt>
      <dd>
        <Moment at={at} ago />
      </dd>
    </>
  );
}
