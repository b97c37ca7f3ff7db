/**
 * A formula's points, as the city counts them, so that a version that is being written shows at once what it would do.
 * Its numbers are the shares that the city has counted; nothing is counted anew here.
 */

import { type Deduction, LESS_IS_BETTER, RANKED, type Share, type Term } from "./types";

export type Rates = Readonly<Record<string, Share>>;

const NOTHING: Share = { num: 0, den: 0, rate: null };

function lost({ rate, points, bound }: Deduction, share: Share): number {
  if (bound === null) return points * share.num;
  if (share.rate === null) return 0;
  return points * 100 * Math.max(0, LESS_IS_BETTER.has(rate) ? share.rate - bound : bound - share.rate);
}

/** Points of one term; null when none of its shares has anything to divide by. */
export function pointsOf(term: Term, rates: Rates): number | null {
  const of = (rate: string) => rates[rate] ?? NOTHING;
  const looked = term.deductions.length > 0 ? term.deductions.map(({ rate }) => rate) : [term.rate];
  if (looked.every((rate) => of(rate).den === 0)) return null;
  if (term.deductions.length === 0) {
    const share = of(term.rate).rate ?? 0;
    return term.weight * (term.less_is_better ? 1 - share : share);
  }
  return Math.max(0, term.weight - term.deductions.reduce((sum, one) => sum + lost(one, of(one.rate)), 0));
}

/** Points out of the sum of the weights; terms with nothing to divide by are left out and the others scaled up. */
export function scoreOf(terms: readonly Term[], rates: Rates): number | null {
  let weight = 0;
  let points = 0;
  for (const term of terms) {
    const found = pointsOf(term, rates);
    if (found === null) continue;
    weight += term.weight;
    points += found;
  }
  const outOf = terms.reduce((sum, term) => sum + term.weight, 0);
  return weight === 0 ? null : Math.round(((points * outOf) / weight) * 10_000) / 10_000;
}

export interface Placed<T> {
  row: T;
  score: number | null;
  rank: number | null;
}

/** Rows with their scores and places, best first; equal scores share a place, few tasks have none. */
export function placed<T extends { department: string; n: number; on_time_fair: number | null; rates: Rates }>(
  rows: readonly T[],
  terms: readonly Term[],
): Placed<T>[] {
  const found = rows.map((row) => ({ row, score: row.n > 0 ? scoreOf(terms, row.rates) : null, rank: null }));
  found.sort(
    (a, b) =>
      Number(a.score === null) - Number(b.score === null) ||
      (b.score ?? 0) - (a.score ?? 0) ||
      (b.row.on_time_fair ?? 0) - (a.row.on_time_fair ?? 0) ||
      (a.row.department < b.row.department ? -1 : 1),
  );
  let eligible = 0;
  let last: { score: number; rank: number } | null = null;
  return found.map((one) => {
    if (one.row.n < RANKED || one.score === null) return one;
    eligible += 1;
    if (last === null || one.score !== last.score) last = { score: one.score, rank: eligible };
    return { ...one, rank: last.rank };
  });
}
