/** The departments' scores as bars, a stroke where each was in the period before. The table above has the numbers. */

import { type DepartmentScore, RANKED } from "./types";
import { useAccountWords } from "./words";

export function ScoreBars({
  departments,
  before,
  most,
}: {
  departments: DepartmentScore[];
  before: DepartmentScore[];
  most: number;
}) {
  const { a, say, number } = useAccountWords();
  const was = new Map(before.map((one) => [one.department, one.score]));
  const share = (score: number) => `${Math.min(100, Math.max(0, (100 * score) / most))}%`;
  return (
    <>
      <ul className="legend">
        <li>
          <span className="key bar" /> {a("chart.now")}
        </li>
        <li>
          <span className="key soft" /> {a("chart.few")}
        </li>
        <li>
          <span className="key stroke" /> {a("chart.before")}
        </li>
      </ul>
      <div className="bars" role="img" aria-label={a("chart.label")} data-testid="score-bars">
        {departments.map((one) => {
          const old = was.get(one.department) ?? null;
          if (one.score === null) return null;
          return (
            <div key={one.department} className="bar-row">
              <span className="bar-name">{say(one.title)}</span>
              <span className="bar-track">
                <span className="bar-fill" data-few={one.n < RANKED} style={{ width: share(one.score) }} />
                {old !== null && (
                  <span
                    className="bar-before"
                    style={{ left: share(old) }}
                    title={`${a("chart.before")} ${number(old, 1)}`}
                  />
                )}
              </span>
              <span className="numeric">{number(one.score, 1)}</span>
            </div>
          );
        })}
      </div>
    </>
  );
}
