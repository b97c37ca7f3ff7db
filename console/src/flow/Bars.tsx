/** Rows over time in equal steps: what landed, and on top of it what went to quarantine. The table below says the same. */

import { useId, useMemo } from "react";
import { cityTime, zoneOffset } from "../time/format";
import { Empty } from "../ui/states";
import { useZone } from "../ui/Time";
import type { Steps } from "./types";
import { useWidth } from "./useWidth";
import { useFlowWords } from "./words";

const MARGIN = { left: 52, right: 8, top: 8, bottom: 20 };

/** A round number not less than `value`: 1, 2 or 5 times a power of ten. */
export function rounded(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((times) => times * power).find((one) => one >= value) ?? value;
}

/** The moments at which the axis is marked: whole hours or days of the city. */
export function ticks(from: number, to: number, zone: string, most: number): number[] {
  const steps = [5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 7_200, 14_400].map((minutes) => minutes * 60_000);
  const step = steps.find((one) => (to - from) / one <= most) ?? 30 * 86_400_000;
  const found: number[] = [];
  const offset = zoneOffset(from, zone);
  for (let at = Math.ceil((from + offset) / step) * step - offset; at < to; at += step) found.push(at);
  return found;
}

export function Bars({ steps, title, height = 160 }: { steps: Steps; title: string; height?: number }) {
  const { f, number } = useFlowWords();
  const zone = useZone();
  const [box, width] = useWidth<HTMLDivElement>(600);
  const name = useId();
  const { from, step_seconds: step, rows, bad } = steps;
  const begin = Date.parse(from);
  const end = begin + rows.length * step * 1_000;
  const total = useMemo(() => rows.reduce((sum, value) => sum + value, 0), [rows]);
  const wrong = useMemo(() => bad.reduce((sum, value) => sum + value, 0), [bad]);
  if (total + wrong === 0) return <Empty title={f("bars.empty")} />;
  const most = rounded(Math.max(...rows.map((value, at) => value + (bad[at] ?? 0))));
  const inner = {
    width: Math.max(width - MARGIN.left - MARGIN.right, 10),
    height: height - MARGIN.top - MARGIN.bottom,
  };
  const x = (at: number) => MARGIN.left + ((at - begin) / (end - begin)) * inner.width;
  const y = (value: number) => MARGIN.top + inner.height * (1 - value / most);
  const bar = inner.width / rows.length;
  const shape = end - begin > 2 * 86_400_000 ? "short" : "hour";
  const marked = ticks(begin, end, zone, width < 480 ? 4 : width < 900 ? 8 : 14);
  return (
    <figure className="figure" data-testid="bars">
      <div ref={box}>
        <svg className="flow-bars" width={width} height={height} role="img" aria-labelledby={name}>
          <title id={name}>{f("bars.label", { title, rows: number(total, 0), bad: number(wrong, 0) })}</title>
          <defs>
            <pattern
              id={`${name}-bad`}
              width="4"
              height="4"
              patternUnits="userSpaceOnUse"
              patternTransform="rotate(45)"
            >
              <rect width="4" height="4" className="bars-bad" />
              <path d="M0 0V4" className="bars-hatch" />
            </pattern>
          </defs>
          {[0, most / 2, most].map((value) => (
            <g key={value}>
              <path d={`M${MARGIN.left} ${y(value)}H${width - MARGIN.right}`} className="bars-line" />
              <text x={MARGIN.left - 6} y={y(value) + 4} textAnchor="end">
                {number(value, value % 1 ? 1 : 0)}
              </text>
            </g>
          ))}
          {marked.map((at) => (
            <text key={at} x={x(at)} y={height - 5} textAnchor="middle">
              {cityTime(at, zone, shape === "hour" ? "hour" : "date").slice(shape === "hour" ? 0 : 5)}
            </text>
          ))}
          {rows.map((value, at) => {
            const here = MARGIN.left + at * bar;
            const wide = Math.max(bar - (bar > 3 ? 1 : 0), 0.6);
            const refused = bad[at] ?? 0;
            return (
              <g key={at}>
                {value > 0 && (
                  <rect className="bars-rows" x={here} width={wide} y={y(value)} height={y(0) - y(value)} />
                )}
                {refused > 0 && (
                  <rect
                    fill={`url(#${name}-bad)`}
                    x={here}
                    width={wide}
                    y={Math.min(y(value + refused), y(value) - 2)}
                    height={Math.max(y(value) - y(value + refused), 2)}
                  />
                )}
              </g>
            );
          })}
        </svg>
      </div>
      <ul className="legend">
        <li>
          <svg width="12" height="12" aria-hidden="true">
            <rect width="12" height="12" className="bars-rows" />
          </svg>
          {f("bars.rows")} <span className="numeric">{number(total, 0)}</span>
        </li>
        <li>
          <svg width="12" height="12" aria-hidden="true">
            <rect width="12" height="12" fill={`url(#${name}-bad)`} />
          </svg>
          {f("bars.bad")} <span className="numeric">{number(wrong, 0)}</span>
        </li>
        <li>{f(step === 60 ? "bars.perMinute" : step === 600 ? "bars.perTen" : "bars.perHour")}</li>
      </ul>
      <AsTable steps={steps} title={title} />
    </figure>
  );
}

function AsTable({ steps, title }: { steps: Steps; title: string }) {
  const { f, t, number } = useFlowWords();
  const zone = useZone();
  const begin = Date.parse(steps.from);
  return (
    <details>
      <summary>{t("chart.asTable")}</summary>
      <section className="scroll" tabIndex={0} aria-label={title}>
        <table className="table">
          <thead>
            <tr>
              <th>{f("bars.time")}</th>
              <th className="right">{f("bars.rows")}</th>
              <th className="right">{f("bars.bad")}</th>
            </tr>
          </thead>
          <tbody>
            {steps.rows.map((value, at) =>
              value + (steps.bad[at] ?? 0) > 0 ? (
                <tr key={at}>
                  <td>{cityTime(begin + at * steps.step_seconds * 1_000, zone)}</td>
                  <td className="right">{number(value, 0)}</td>
                  <td className="right">{number(steps.bad[at] ?? 0, 0)}</td>
                </tr>
              ) : null,
            )}
          </tbody>
        </table>
      </section>
    </details>
  );
}
