/** One source: its deliveries, the quality of every field, columns that drifted in, and the rows it could not land. */

import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "wouter";
import { post } from "../api/client";
import { useMay, useSource } from "../api/queries";
import type { SourceDetail } from "../api/types";
import { Cleaned } from "../flow/Cleaned";
import { HandOver } from "../flow/HandOver";
import { Unanswered } from "../flow/parts";
import { Quarantine } from "../flow/QuarantinePart";
import { Deliveries, SourceFlowPanel } from "../flow/SourceFlow";
import { useFlowWords } from "../flow/words";
import { duration } from "../time/format";
import { CellView } from "../ui/Cell";
import { DatasetName } from "../ui/DatasetName";
import { SourceStateWord } from "../ui/SourceState";
import { Empty, Panel } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";

export default function SourcePage() {
  const { id: encoded = "" } = useParams<{ id: string }>();
  const id = decodeURIComponent(encoded);
  const source = useSource(id);
  if (source.data === undefined)
    return (
      <div className="page">
        <Unanswered of={source} back="sources" />
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
  const [handing, setHanding] = useState(false);
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
              {t("evidence.dataset")} <DatasetName name={source.dataset} />
            </span>
            <span>
              {f("sources.connector")} {say(source.connector_title)}
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
        {mayManage && (
          <span className="line">
            {source.files && (
              <Button variant="default" data-testid="hand-open" onClick={() => setHanding(true)}>
                {f("hand.show")}
              </Button>
            )}
            {!BY_THEMSELVES.has(source.connector) && (
              <Button variant="default" data-testid="pull" loading={pull.isPending} onClick={() => pull.mutate()}>
                {f("pull")}
              </Button>
            )}
          </span>
        )}
      </div>
      {handing && source.files && <HandOver source={source} files={source.files} close={() => setHanding(false)} />}
      <SourceFlowPanel id={source.id} />
      <Quarantine source={source.id} />
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
          <Table>
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
          </Table>
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
