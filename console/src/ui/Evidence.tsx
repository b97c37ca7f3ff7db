/** What a claim rests on: a chart with the same figures as a table, or the rows themselves with source and owner. */

import { lazy, Suspense, useMemo } from "react";
import { Link } from "wouter";
import { useSources } from "../api/queries";
import type { Evidence, PanelContent, SeriesEvidence, TableContent } from "../api/types";
import { useWords } from "../i18n";
import { cityTime } from "../time/format";
import { CellView } from "./Cell";
import { linesOf, lookOf, namedAtEnd } from "./lines";
import type { Extent } from "./SeriesChart";
import { Empty, Loading } from "./states";
import { Moment, useZone } from "./Time";

const SeriesChart = lazy(() => import("./SeriesChart"));

/** The common time axis of all the series of one object. */
export function extentOf(evidence: readonly Evidence[]): Extent | null {
  const times = evidence
    .flatMap((one) => (one.type === "series" ? one.series.flatMap(({ points }) => [points[0], points.at(-1)]) : []))
    .flatMap((point) => (point ? [Date.parse(point[0])] : []));
  return times.length < 2 ? null : { from: Math.min(...times), to: Math.max(...times) };
}

export function SeriesFigure({
  evidence,
  extent,
  now,
  height = 220,
  table = true,
}: {
  evidence: SeriesEvidence;
  extent?: Extent | null;
  now?: number | null;
  height?: number | string;
  table?: boolean;
}) {
  const { t } = useWords();
  if (evidence.series.every(({ points }) => points.length === 0))
    return <Empty title={t("chart.empty")}>{t("chart.emptyWhy")}</Empty>;
  return (
    <figure className="figure">
      <Suspense fallback={<Loading lines={4} />}>
        <SeriesChart evidence={evidence} extent={extent} now={now} height={height} />
      </Suspense>
      <Legend evidence={evidence} />
      {table && <SeriesTable evidence={evidence} />}
    </figure>
  );
}

/** Names the lines that cannot carry their own name, and the band. */
function Legend({ evidence }: { evidence: SeriesEvidence }) {
  const { say } = useWords();
  const lines = linesOf(evidence);
  const band = evidence.series.filter(({ style }) => style.startsWith("band"));
  const unnamed = lines.length > 1 && !namedAtEnd(lines) ? lines : [];
  if (unnamed.length === 0 && band.length < 2) return null;
  return (
    <ul className="legend">
      {unnamed.map((line) => {
        const { tone, dash } = lookOf(line, lines.indexOf(line));
        return (
          <li key={`${line.style}${say(line.name)}`}>
            <svg width="22" height="8" aria-hidden="true">
              <line
                x1="0"
                y1="4"
                x2="22"
                y2="4"
                stroke={`var(--${tone})`}
                strokeWidth="2"
                strokeDasharray={dash === "solid" ? undefined : dash.join(" ")}
              />
            </svg>
            {say(line.name)}
          </li>
        );
      })}
      {band.length === 2 && (
        <li>
          <span style={{ background: "var(--bar)", opacity: 0.4, width: 22, height: 10 }} />
          {band.map(({ name }) => say(name)).join(" – ")}
        </li>
      )}
    </ul>
  );
}

function SeriesTable({ evidence }: { evidence: SeriesEvidence }) {
  const { t, say, number } = useWords();
  const zone = useZone();
  const rows = useMemo(() => {
    const at = new Map<string, (number | null)[]>();
    evidence.series.forEach(({ points }, column) => {
      for (const [time, value] of points) {
        const row = at.get(time) ?? evidence.series.map(() => null);
        row[column] = value;
        at.set(time, row);
      }
    });
    return [...at].sort(([a], [b]) => b.localeCompare(a));
  }, [evidence]);
  return (
    <details>
      <summary>{t("chart.asTable")}</summary>
      <section className="scroll" tabIndex={0} aria-label={say(evidence.title)}>
        <table className="table">
          <thead>
            <tr>
              <th>{t("time.at")}</th>
              {evidence.series.map((line) => (
                <th key={`${line.style}${say(line.name)}`} className="right">
                  {say(line.name)} {evidence.unit && `(${evidence.unit})`}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([time, values]) => (
              <tr key={time}>
                <td>{cityTime(time, zone)}</td>
                {values.map((value, column) => (
                  <td key={column} className="right">
                    {number(value)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </details>
  );
}

export function EvidenceView({
  evidence,
  extent,
  now,
}: {
  evidence: Evidence;
  extent?: Extent | null;
  now?: number | null;
}) {
  const { t, say } = useWords();
  if (evidence.type === "series") return <SeriesFigure evidence={evidence} extent={extent} now={now} />;
  return (
    <div className="stack">
      <div className="line quiet">
        <span>
          {t("evidence.dataset")} <span className="mono">{evidence.dataset}</span>
        </span>
        <SourceLink id={evidence.source} />
        {evidence.known_at && (
          <span>
            {t("evidence.knownAt")} <Moment at={evidence.known_at} />
          </span>
        )}
      </div>
      <section tabIndex={0} aria-label={say(evidence.title)} style={{ maxHeight: 320, overflow: "auto" }}>
        <table className="table">
          <thead>
            <tr>
              {evidence.columns.map((column) => (
                <th key={column}>{column}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {evidence.rows.map((row, index) => (
              <tr key={index}>
                {row.map((cell, column) => (
                  <td key={column} className={typeof cell === "number" ? "right" : undefined}>
                    <CellView cell={cell} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}

export function SourceLink({ id }: { id: string }) {
  const { t, say } = useWords();
  const source = useSources().data?.items.find((one) => one.id === id);
  return (
    <span>
      {t("evidence.source")} <Link href={`/sources/${encodeURIComponent(id)}`}>{source ? say(source.title) : id}</Link>
      {source && ` · ${t("evidence.owner")} ${say(source.department_title)}`}
    </span>
  );
}

export function TableView({ content }: { content: TableContent }) {
  const { say, t } = useWords();
  if (content.rows.length === 0) return <Empty title={t("table.empty")}>{say(content.note)}</Empty>;
  return (
    <>
      <table className="table">
        <thead>
          <tr>
            {content.columns.map(({ name, title, unit }, column) => (
              <th key={name} className={typeof content.rows[0]?.[column] === "number" ? "right" : undefined}>
                {say(title)} {unit && `(${say(unit)})`}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {content.rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column} className={typeof cell === "number" ? "right" : undefined}>
                  <CellView cell={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {content.note && (
        <p className="quiet" style={{ margin: "4px 12px 8px" }}>
          {say(content.note)}
        </p>
      )}
    </>
  );
}

/** A panel that an application declared: a series, a table, rows or a text. */
export function DeclaredView({ content, now }: { content: PanelContent; now: number | null }) {
  const { say } = useWords();
  if (content.type === "series") return <SeriesFigure evidence={content} now={now} height={150} table={true} />;
  if (content.type === "table") return <TableView content={content} />;
  if (content.type === "rows") return <EvidenceView evidence={content} />;
  return <p style={{ margin: "0 12px 12px", whiteSpace: "pre-line" }}>{say(content.text)}</p>;
}
