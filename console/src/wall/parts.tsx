/** What every panel of the wall is made of: a title, how old its data is, and why there is none. */

import type { ReactNode } from "react";
import { Problem } from "../api/client";
import { duration } from "../time/format";
import { ClockIcon } from "../ui/icons";
import { told } from "../ui/refusal";
import { Loading } from "../ui/states";
import { useBrowserTime } from "./turning";
import { useWallWords } from "./words";

/** An answer that was not renewed for so long says so. */
const STALE_MS = 45_000;

export interface Answer {
  data: unknown;
  error: unknown;
  dataUpdatedAt: number;
}

export function Pane({
  name,
  title,
  aside,
  of,
  page,
  children,
  on = true,
}: {
  name: string;
  title: string;
  aside?: ReactNode;
  /** Where its figures come from: when that is not renewed, the panel says so. */
  of: readonly Answer[];
  page?: { n: number; total: number };
  children: ReactNode;
  on?: boolean;
}) {
  const { w } = useWallWords();
  return (
    <section className={`wall-pane wall-${name}`} data-testid={`wall-${name}`} data-on={on}>
      <header>
        <h2>{title}</h2>
        {aside}
        <Stale of={of} />
        {page && page.total > 1 && (
          <span className="quiet numeric wall-page">{w("wall.page", { n: page.n + 1, total: page.total })}</span>
        )}
      </header>
      {children}
    </section>
  );
}

function Stale({ of }: { of: readonly Answer[] }) {
  const { w, language } = useWallWords();
  const now = useBrowserTime();
  const known = of.filter(({ data }) => data !== undefined).map(({ dataUpdatedAt }) => dataUpdatedAt);
  const age = known.length === 0 ? 0 : now - Math.min(...known);
  if (age < STALE_MS) return null;
  return (
    <span className="wall-stale" role="status">
      <ClockIcon />
      {w("wall.stale", { length: duration(age / 1000, language) })}
    </span>
  );
}

/** The answer, or that it is on its way, or why there is none. */
export function Given<T>({
  of,
  closed = false,
  children,
}: {
  of: Answer & { data: T | undefined };
  closed?: boolean;
  children: (data: T) => ReactNode;
}) {
  const words = useWallWords();
  const { w } = words;
  if (closed) return <Nothing title={w("wall.closed")} />;
  if (of.data !== undefined) return children(of.data);
  if (of.error instanceof Problem && of.error.status === 403) return <Nothing title={w("wall.closed")} />;
  if (of.error) return <Nothing title={w("wall.broken")}>{told(of.error, words).title}</Nothing>;
  return <Loading />;
}

export function Nothing({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="wall-nothing">
      <strong>{title}</strong>
      {children && <span className="quiet">{children}</span>}
    </div>
  );
}

export function Big({
  value,
  name,
  late = false,
  note,
}: {
  value: string;
  name: string;
  late?: boolean;
  note?: string;
}) {
  return (
    <div className="wall-big" data-late={late}>
      <dt>{name}</dt>
      <dd>
        <strong className="numeric">{value}</strong>
        {note && <span className="numeric wall-note">{note}</span>}
      </dd>
    </div>
  );
}

/** A bar whose first part is late; both as shares of the longest bar. */
export function Bar({ whole, late, most }: { whole: number; late: number; most: number }) {
  const of = (n: number) => `${(n / Math.max(most, 1)) * 100}%`;
  return (
    <span className="wall-bar" aria-hidden="true">
      <span data-late="true" style={{ width: of(late) }} />
      <span style={{ width: of(whole - late) }} />
    </span>
  );
}
