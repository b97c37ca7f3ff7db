/** Alerts in ten minutes for each person on duty, with what is acceptable, what is a flood, and the floods behind. */

import { useId } from "react";
import { ticks } from "../flow/Bars";
import { useWidth } from "../flow/useWidth";
import { cityTime } from "../time/format";
import { Moment, useZone } from "../ui/Time";
import type { Rate } from "./types";
import { useAlarmWords } from "./words";

const MARGIN = { left: 40, right: 8, top: 10, bottom: 20 };
const HEIGHT = 180;
const FLOOD = 10;
const FAIR = 1;

export function RateChart({ rate }: { rate: Rate }) {
  const { a, t, number } = useAlarmWords();
  const zone = useZone();
  const [box, width] = useWidth<HTMLDivElement>(800);
  const name = useId();
  const begin = Date.parse(rate.since);
  const step = rate.bin_minutes * 60_000;
  const end = begin + rate.bins.length * step;
  const most = Math.max(FLOOD * 1.2, ...rate.bins.map(({ per_operator }) => per_operator));
  const inner = Math.max(width - MARGIN.left - MARGIN.right, 10);
  const x = (at: number) => MARGIN.left + ((at - begin) / (end - begin)) * inner;
  const y = (value: number) => MARGIN.top + (HEIGHT - MARGIN.top - MARGIN.bottom) * (1 - value / most);
  const bar = inner / rate.bins.length;
  const long = end - begin > 2 * 86_400_000;
  return (
    <figure className="figure" data-testid="alarm-chart" style={{ margin: 0 }}>
      <div ref={box}>
        <svg className="alarm-bars" width={width} height={HEIGHT} role="img" aria-labelledby={name}>
          <title id={name}>
            {a("rate.label", { peak: number(rate.peak.per_operator, 1), floods: number(rate.floods.length, 0) })}
          </title>
          {rate.floods.map(({ from, to }) => (
            <rect
              key={from}
              className="alarm-flood"
              x={x(Date.parse(from))}
              width={Math.max(x(Date.parse(to)) - x(Date.parse(from)), 2)}
              y={MARGIN.top}
              height={y(0) - MARGIN.top}
            />
          ))}
          <path d={`M${MARGIN.left} ${y(0)}H${width - MARGIN.right}`} className="alarm-line" />
          {rate.bins.map(({ at, per_operator: value }) =>
            value > 0 ? (
              <rect
                key={at}
                className="alarm-bar"
                x={x(Date.parse(at))}
                width={Math.max(bar - (bar > 3 ? 1 : 0), 0.6)}
                y={y(value)}
                height={y(0) - y(value)}
              />
            ) : null,
          )}
          {(
            [
              [FAIR, "alarm-fair", "rate.good"],
              [FLOOD, "alarm-mark", "rate.flood"],
            ] as const
          ).map(([value, line, word]) => (
            <g key={word}>
              <path d={`M${MARGIN.left} ${y(value)}H${width - MARGIN.right}`} className={line} />
              <text x={width - MARGIN.right} y={y(value) - 3} textAnchor="end">
                {a(word, { n: value })}
              </text>
              <text x={MARGIN.left - 6} y={y(value) + 4} textAnchor="end">
                {number(value, 0)}
              </text>
            </g>
          ))}
          {ticks(begin, end, zone, width < 480 ? 4 : 10).map((at) => (
            <text key={at} x={x(at)} y={HEIGHT - 5} textAnchor="middle">
              {long ? cityTime(at, zone, "date").slice(5) : cityTime(at, zone, "hour")}
            </text>
          ))}
        </svg>
      </div>
      <details>
        <summary>{t("chart.asTable")}</summary>
        <section className="scroll" tabIndex={0} aria-label={a("rate")}>
          <table className="table">
            <thead>
              <tr>
                <th>{a("rate.at")}</th>
                <th className="right">{a("rate.alerts")}</th>
                <th className="right">{a("rate.each")}</th>
              </tr>
            </thead>
            <tbody>
              {rate.bins
                .filter(({ alerts }) => alerts > 0)
                .map(({ at, alerts, per_operator }) => (
                  <tr key={at}>
                    <td>
                      <Moment at={at} />
                    </td>
                    <td className="right numeric">{number(alerts, 0)}</td>
                    <td className="right numeric">{number(per_operator, 1)}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </section>
      </details>
    </figure>
  );
}
