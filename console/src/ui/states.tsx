/** What a panel shows when it has nothing to show: loading, empty, refused, failed. Each says what to do next. */

import { Button } from "@mantine/core";
import { Component, type ErrorInfo, type ReactNode } from "react";
import { Problem } from "../api/client";
import { useWords } from "../i18n";

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
  const { t } = useWords();
  const problem = error instanceof Problem ? error : null;
  const title =
    problem === null
      ? t("state.broken")
      : problem.status === 0
        ? t(problem.code === "timeout" ? "state.timeout" : "state.unreachable")
        : problem.status === 401
          ? t("state.loggedOut")
          : problem.status === 403
            ? t("state.forbidden")
            : problem.status === 404
              ? t("state.missing")
              : t("state.refused");
  const remedy =
    problem?.remedy ??
    (problem?.status === 403 ? t("state.forbiddenRemedy") : problem?.status === 404 ? t("state.missingRemedy") : null);
  return (
    <div className="state" role="alert">
      <strong>{title}</strong>
      {problem !== null && problem.status !== 0 && <span>{problem.detail}</span>}
      {problem === null && <span className="mono">{String(error)}</span>}
      {remedy && <span>{remedy}</span>}
      {problem && problem.status > 0 && <span className="mono">{`${problem.status} · ${problem.code}`}</span>}
      {retry && (
        <Button variant="default" size="xs" onClick={retry}>
          {t("state.retry")}
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
}

/** Shows the answer; else that it is loading, or why there is none. An old answer stays while a newer one is asked. */
export function Shown<T>({ of, lines, children }: { of: Answer<T>; lines?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return children(of.data);
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

/** Keeps a fault in one page from taking the console down; a new `resetKey` tries again. */
export class Fence extends Component<{ resetKey: string; children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack);
  }

  override componentDidUpdate(before: { resetKey: string }) {
    if (before.resetKey !== this.props.resetKey && this.state.error !== null) this.setState({ error: null });
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <div className="page">
        <Panel>
          <Failure error={this.state.error} retry={() => this.setState({ error: null })} />
        </Panel>
      </div>
    );
  }
}
