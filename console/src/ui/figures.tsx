/** What figures are made of without the large chart: a small chart, its table, rows with their source and owner. */

import { useMemo } from "react";
import { Link } from "wouter";
import { useSources } from "../api/queries";
import type { PanelContent, RowsEvidence, SeriesEvidence, TableContent } from "../api/types";
import { useWords } from "../i18n";
import { cityTime } from "../time/format";
import { CellView } from "./Cell";
import { DatasetName } from "./DatasetName";
import { LittleChart } from "./LittleChart";
import { linesOf, lookOf, namedAtEnd, withBand } from "./lines";
import { Empty } from "./states";
import { Table } from "./Table";
import { Moment, useZone } from "./Time";

/** A series as a panel shows it. */
export function LittleFigure({
  evidence: given,
  now = null,
  height,
  table = true,
}: {
  evidence: SeriesEvidence;
  now?: number | null;
  height: number;
  table?: boolean;
}) {
  const { t } = useWords();
  const evidence = useMemo(() => withBand(given), [given]);
  if (evidence.series.every(({ points }) => points.length === 0))
    return <Empty title={t("chart.empty")}>{t("chart.emptyWhy")}</Empty>;
  return (
    <figure className="figure">
      <LittleChart evidence={evidence} now={now} height={height} />
      <Legend evidence={evidence} named={false} />
      {table && <SeriesTable evidence={evidence} />}
    </figure>
  );
}

/** Names the lines that do not carry their own name (with `named` a chart does so where it can), and the band. */
export function Legend({ evidence, named }: { evidence: SeriesEvidence; named: boolean }) {
  const { say } = useWords();
  const lines = linesOf(evidence);
  const band = evidence.series.filter(({ style }) => style.startsWith("band"));
  const unnamed = lines.length > 1 && !(named && namedAtEnd(lines, say)) ? lines : [];
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
          {[...new Set(band.map(({ name }) => say(name)))].join(" – ")}
        </li>
      )}
    </ul>
  );
}

export function SeriesTable({ evidence }: { evidence: SeriesEvidence }) {
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

/** Rows as they landed, with the source they came from and its owner. */
export function RowsView({ evidence }: { evidence: RowsEvidence }) {
  const { t, say } = useWords();
  return (
    <div className="stack">
      <div className="line quiet">
        <span>
          {t("evidence.dataset")} <DatasetName name={evidence.dataset} owner />
        </span>
        <SourceLink id={evidence.source} />
        {evidence.known_at && (
          <span>
            {t("evidence.knownAt")} <Moment at={evidence.known_at} />
          </span>
        )}
      </div>
      <section tabIndex={0} aria-label={say(evidence.title)} style={{ maxHeight: 320, overflow: "auto" }}>
        <Table>
          <thead>
            <tr>
              {evidence.columns.map((column) => (
                <th key={column}>{evidence.titles?.[column] ? say(evidence.titles[column]) : column}</th>
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
        </Table>
      </section>
    </div>
  );
}

/** The source that rows came from, for those who may look at it. */
function SourceLink({ id }: { id: string }) {
  const { t, say } = useWords();
  const source = useSources().data?.items.find((one) => one.id === id);
  if (source === undefined) return null;
  return (
    <span>
      {t("evidence.source")} <Link href={`/sources/${encodeURIComponent(id)}`}>{say(source.title)}</Link>
    </span>
  );
}

export function TableView({ content }: { content: TableContent }) {
  const { say, t } = useWords();
  if (content.rows.length === 0) return <Empty title={t("table.empty")}>{say(content.note)}</Empty>;
  return (
    <>
      <Table>
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
      </Table>
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
  if (content.type === "series") return <LittleFigure evidence={content} now={now} height={150} />;
  if (content.type === "table") return <TableView content={content} />;
  if (content.type === "rows") return <RowsView evidence={content} />;
  if (content.type === "track") return null; // a track is evidence; no panel is one
  return <p style={{ margin: "0 12px 12px", whiteSpace: "pre-line" }}>{say(content.text)}</p>;
}
