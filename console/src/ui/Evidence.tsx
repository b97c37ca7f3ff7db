/** What a claim rests on: a chart with the same figures as a table, a track, or the rows themselves with source and owner. */

import { lazy, Suspense, useMemo } from "react";
import { Link } from "wouter";
import type { Evidence, SeriesEvidence, Withheld } from "../api/types";
import { useWords } from "../i18n";
import { Legend, RowsView, SeriesTable } from "./figures";
import { withBand } from "./lines";
import type { Extent } from "./SeriesChart";
import { Empty, Loading } from "./states";

const SeriesChart = lazy(() => import("./SeriesChart"));
const TrackFigure = lazy(() => import("./TrackFigure"));

/** The common time axis of all the series of one object. */
export function extentOf(evidence: readonly Evidence[]): Extent | null {
  const times = evidence
    .flatMap((one) => (one.type === "series" ? one.series.flatMap(({ points }) => [points[0], points.at(-1)]) : []))
    .flatMap((point) => (point ? [Date.parse(point[0])] : []));
  return times.length < 2 ? null : { from: Math.min(...times), to: Math.max(...times) };
}

export function SeriesFigure({
  evidence: given,
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
  const evidence = useMemo(() => withBand(given), [given]);
  if (evidence.series.every(({ points }) => points.length === 0))
    return <Empty title={t("chart.empty")}>{t("chart.emptyWhy")}</Empty>;
  return (
    <figure className="figure">
      <Suspense fallback={<Loading lines={4} />}>
        <SeriesChart evidence={evidence} extent={extent} now={now} height={height} />
      </Suspense>
      <Legend evidence={evidence} named />
      {table && <SeriesTable evidence={evidence} />}
    </figure>
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
  if (evidence.withheld?.whole) return <WithheldView of={evidence.withheld} />;
  if (evidence.type === "series") return <SeriesFigure evidence={evidence} extent={extent} now={now} />;
  if (evidence.type === "track")
    return (
      <Suspense fallback={<Loading lines={6} />}>
        <TrackFigure evidence={evidence} />
      </Suspense>
    );
  return (
    <>
      {evidence.withheld && <WithheldView of={evidence.withheld} />}
      <RowsView evidence={evidence} />
    </>
  );
}

/** All that is not shown of one matter, told once: what each rests on and whose that is. */
export function Closed({ evidence }: { evidence: readonly Evidence[] }) {
  const { t, say } = useWords();
  return (
    <div className="withheld" data-testid="withheld">
      <strong>{t("evidence.withheld")}</strong>
      <ul>
        {evidence.map((one, at) => (
          <li key={at}>
            {say(one.title)} ·{" "}
            {one.withheld?.datasets.map(({ dataset, title, department_title }, n) => (
              <span key={dataset}>
                {n > 0 && t("listComma")}
                <Link href={`/catalogue/${encodeURIComponent(dataset)}`}>{say(title)}</Link>{" "}
                <span className="quiet">{say(department_title)}</span>
              </span>
            ))}
          </li>
        ))}
      </ul>
      <span className="quiet">{t("evidence.withheldWhy")}</span>
    </div>
  );
}

/** Names what is not shown, whose it is, and where to ask for it. */
function WithheldView({ of }: { of: Withheld }) {
  const { t, say, language } = useWords();
  const between = language === "en" ? ", " : "、";
  return (
    <div className="withheld" data-testid="withheld">
      <strong>
        {t(of.whole ? "evidence.withheld" : "evidence.withheldColumns", { columns: of.columns.join(between) })}
      </strong>
      <ul>
        {of.datasets.map((one) => (
          <li key={one.dataset}>
            <Link href={`/catalogue/${encodeURIComponent(one.dataset)}`}>{say(one.title)}</Link>{" "}
            <span className="quiet">{say(one.department_title)}</span>
          </li>
        ))}
      </ul>
      <span className="quiet">{t("evidence.withheldWhy")}</span>
    </div>
  );
}
