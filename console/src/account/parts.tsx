/** Small parts that the pages of account share. */

import { type ReactNode, useCallback, useMemo } from "react";
import { Link, useSearchParams } from "wouter";
import { useNow } from "../live/LiveProvider";
import { cityTime } from "../time/format";
import { Table } from "../ui/Table";
import { useZone } from "../ui/Time";
import { bounds, type Period, periodOf } from "./period";
import { useSeesAppeals } from "./queries";
import { type Formula, LESS_IS_BETTER, type Share, type Term } from "./types";
import { type AccountWords, useAccountWords } from "./words";

export type View = "report" | "appeals" | "formulas";

/** The day in the city, "2015-12-07". */
export function useToday(): string {
  const zone = useZone();
  return cityTime(useNow(), zone, "date");
}

/** The period of the address, with its bounds. */
export function usePeriod(today: string) {
  const zone = useZone();
  const [params] = useSearchParams();
  const text = params.toString();
  return useMemo(() => {
    const period: Period = periodOf(new URLSearchParams(text), today);
    return { period, ...bounds(period, zone) };
  }, [text, today, zone]);
}

export type Change = (set: Record<string, string | null>, replace?: boolean) => void;

/** Sets words of the address and takes away those that are null. */
export function useChange(): Change {
  const [, setParams] = useSearchParams();
  return useCallback(
    (set, replace = false) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [key, value] of Object.entries(set)) value === null ? after.delete(key) : after.set(key, value);
          return after;
        },
        { replace },
      ),
    [setParams],
  );
}

/** The words of the address that say which period; they go along from page to page. */
export function usePeriodQuery(): string {
  const [params] = useSearchParams();
  const kept = new URLSearchParams();
  for (const key of ["period", "from", "to"]) {
    const value = params.get(key);
    if (value !== null) kept.set(key, value);
  }
  return kept.size === 0 ? "" : `?${kept}`;
}

export function Tabs({ at }: { at: View }) {
  const { a } = useAccountWords();
  const appeals = useSeesAppeals();
  const kept = usePeriodQuery();
  const views: View[] = appeals ? ["report", "appeals", "formulas"] : ["report", "formulas"];
  return (
    <nav className="tabs line" aria-label={a("tabs.label")}>
      {views.map((view) => (
        <Link
          key={view}
          href={(view === "report" ? "/scores" : `/scores/${view}`) + kept}
          aria-current={at === view ? "page" : undefined}
          data-testid={`scores-tab-${view}`}
        >
          {a(`tab.${view}`)}
        </Link>
      ))}
    </nav>
  );
}

/** A table that may be wider than its place: it scrolls by itself, by keyboard too. */
export function Wide({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flush" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

/** A share with what it is made of beside it; a press opens the tasks behind it. */
export function ShareButton({
  share,
  rate,
  whose,
  open,
}: {
  share: Share | undefined;
  rate: string;
  whose: string;
  open: (() => void) | null;
}) {
  const { a, percent, rate: rateName } = useAccountWords();
  if (share === undefined || share.den === 0)
    return (
      <span className="quiet" title={a("share.none")}>
        — 0/0
      </span>
    );
  const of = a("share.of", { num: share.num, den: share.den });
  const shown = (
    <>
      {percent(share.rate)} <span className="quiet">{of}</span>
    </>
  );
  if (open === null) return <span className="numeric">{shown}</span>;
  return (
    <button
      type="button"
      className="link numeric"
      aria-label={a("share.open", {
        whose,
        rate: rateName(rate),
        percent: percent(share.rate),
        num: share.num,
        den: share.den,
      })}
      onClick={open}
    >
      {shown}
    </button>
  );
}

/** A signed number of points of a score, in words for whoever cannot see colour. */
export function Signed({ by, digits = 1 }: { by: number | null; digits?: number }) {
  const { number } = useAccountWords();
  if (by === null) return <span className="quiet">—</span>;
  const rounded = Number(by.toFixed(digits));
  if (rounded === 0) return <span className="quiet">±0</span>;
  return (
    <span className={rounded > 0 ? "up" : "down"}>
      {rounded > 0 ? "▲ +" : "▼ −"}
      {number(Math.abs(rounded), digits)}
    </span>
  );
}

/** How a term counts, in words. */
export function howOf(term: Pick<Term, "less_is_better" | "deductions">, words: AccountWords): string {
  const { a, t, rate, number } = words;
  if (term.deductions.length === 0) return a(term.less_is_better ? "formula.minus" : "formula.plus");
  const list = term.deductions.map((one) => {
    const values = { rate: rate(one.rate), points: number(one.points), bound: `${number((one.bound ?? 0) * 100)}%` };
    if (one.bound === null) return a("formula.perTask", values);
    return a(LESS_IS_BETTER.has(one.rate) ? "formula.above" : "formula.below", values);
  });
  return a("formula.deducted", { list: list.join(t("listComma")) });
}

export const nameOf = ({ id, version }: Pick<Formula, "id" | "version">) => `${id}@${version}`;

export function TermTable({ formula }: { formula: Pick<Formula, "terms"> }) {
  const words = useAccountWords();
  const { a, rate, what, number } = words;
  return (
    <Table>
      <thead>
        <tr>
          <th>{a("formula.term")}</th>
          <th className="right">{a("formula.weight")}</th>
          <th>{a("formula.how")}</th>
        </tr>
      </thead>
      <tbody>
        {formula.terms.map((term) => (
          <tr key={`${term.rate}${term.weight}`}>
            <td>
              {rate(term.rate)} <span className="quiet">{what(term.rate)}</span>
            </td>
            <td className="right">{number(term.weight)}</td>
            <td>{howOf(term, words)}</td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
