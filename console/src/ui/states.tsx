/** What a panel shows when it has nothing to show: loading, empty, refused, failed. Each says what to do next. */

import { Button } from "@mantine/core";
import { Component, type ErrorInfo, type ReactNode } from "react";
import { Problem } from "../api/client";
import { useWords } from "../i18n";
import { duration } from "../time/format";
import { partMissing, told } from "./refusal";

export function Loading({ lines = 3 }: { lines?: number }) {
  const { t } = useWords();
  return (
    <div className="loading" role="status">
      <span className="unseen">{t("state.loading")}</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} style={{ width: `${92 - ((line * 17) % 45)}%` }} />
      ))}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const words = useWords();
  const { title, detail, remedy, code } = told(error, words);
  const missing = error instanceof Problem && error.status === 404; // asked again it is missing again
  return (
    <div className="state" role="alert">
      <strong>{title}</strong>
      {detail !== null && <span>{detail}</span>}
      {remedy !== null && <span>{remedy}</span>}
      {code !== null && <span className="mono">{code}</span>}
      {retry && !missing && (
        <Button variant="default" size="xs" onClick={retry}>
          {words.t("state.retry")}
        </Button>
      )}
    </div>
  );
}

interface Answer<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
  /** When the answer came, by this machine's clock. */
  dataUpdatedAt?: number;
}

/** Says that an answer could not be made newer, and how old it is; when the city is away the banner above says so. */
function Stale({ of: { error, dataUpdatedAt, refetch } }: { of: Omit<Answer<unknown>, "data"> }) {
  const words = useWords();
  if (error instanceof Problem && (error.status === 0 || error.status === 401)) return null;
  const length = duration((Date.now() - (dataUpdatedAt ?? Date.now())) / 1000, words.language);
  return (
    <div className="line stale" role="status">
      <span>{words.t("state.stale", { length, why: told(error, words).title })}</span>
      <button type="button" className="link" onClick={() => void refetch()}>
        {words.t("state.retry")}
      </button>
    </div>
  );
}

/** Shows the answer; else that it is loading, or why there is none. An old answer stays while a newer one is asked. */
export function Shown<T>({ of, lines, children }: { of: Answer<T>; lines?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined)
    return of.error ? (
      <>
        <Stale of={of} />
        {children(of.data)}
      </>
    ) : (
      children(of.data)
    );
  if (of.error) return <Failure error={of.error} retry={() => void of.refetch()} />;
  return <Loading lines={lines} />;
}

export function Panel({
  title,
  aside,
  className,
  children,
}: {
  title?: ReactNode;
  aside?: ReactNode;
  className?: string;
  children: ReactNode;
}) {
  return (
    <section className={`panel ${className ?? ""}`}>
      {title !== undefined && (
        <header>
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}

/** Loads the page anew when the city is there; else nothing happens to what is shown. */
export const loadAnew = () =>
  fetch("/api/health", { cache: "no-store" }).then(
    () => window.location.reload(),
    () => undefined,
  );

interface FenceProps {
  /** A new one tries again. */
  resetKey: string;
  /** How often the link to the city has come back: a part that did not come is asked for again. */
  returns?: number;
  children: ReactNode;
}

/** Keeps a fault in one page from taking the console down. */
export class Fence extends Component<FenceProps, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack);
  }

  override componentDidUpdate(before: FenceProps) {
    const { error } = this.state;
    if (error === null) return;
    // React keeps a part that failed to come as failed: only a new page asks for it again.
    if (before.resetKey !== this.props.resetKey) this.setState({ error: null });
    else if (before.returns !== this.props.returns && partMissing(error)) void loadAnew();
  }

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const retry = () => (partMissing(error) ? void loadAnew() : this.setState({ error: null }));
    return (
      <div className="page">
        <Panel>
          <Failure error={error} retry={retry} />
        </Panel>
      </div>
    );
  }
}
