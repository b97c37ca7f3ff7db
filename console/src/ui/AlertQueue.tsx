/** The triage queue: unacknowledged and grave first, worked with J, K, A, D and Enter. */

import { useCallback, useEffect, useMemo, useRef } from "react";
import { useSuppressions } from "../alarms/queries";
import type { Alert } from "../api/types";
import { type Key, useWords } from "../i18n";
import { cityTime } from "../time/format";
import { Severity } from "./Severity";
import { severityName } from "./severity";
import { Moment, useZone } from "./Time";

/** What the queue shows of an alert, also of one as it stood at an earlier moment. */
type Queued = Pick<
  Alert,
  "id" | "kind_title" | "subject" | "level" | "state" | "updated_at" | "raised_at" | "incident_id"
>;

interface Act {
  select(id: string): void;
  open(alert: Queued): void;
  acknowledge(alert: Queued): void;
  dispatch(alert: Queued): void;
}

export function AlertQueue({
  alerts,
  selected,
  act,
  keys,
  notes,
}: {
  alerts: readonly Queued[];
  selected: string | null;
  act: Act;
  /** Whether the letter keys are heard (not while a sheet is open). */
  keys: boolean;
  /** A line more for some of them, by id: why they are silenced and until when. */
  notes?: ReadonlyMap<string, string>;
}) {
  const { t, say } = useWords();
  const list = useRef<HTMLUListElement>(null);
  const latest = useRef({ alerts, selected, act });
  latest.current = { alerts, selected, act };
  const focusOn = useCallback(
    (id: string) => list.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`)?.focus(),
    [],
  );

  // After a sheet the keyboard is back on the alert it was about, also when nothing had it before.
  const heard = useRef(keys);
  useEffect(() => {
    const again = keys && !heard.current;
    heard.current = keys;
    if (again && document.activeElement === document.body && latest.current.selected !== null)
      focusOn(latest.current.selected);
  }, [keys, focusOn]);

  useEffect(() => {
    if (!keys) return;
    const press = (event: KeyboardEvent) => {
      const { target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (
        target instanceof HTMLElement &&
        (target.isContentEditable || target.closest("dialog, input:not([type=range]), textarea, select"))
      )
        return;
      const present = latest.current;
      const at = present.alerts.findIndex(({ id }) => id === present.selected);
      const chosen = present.alerts[at];
      const key = event.key.toLowerCase();
      if (key === "j" || key === "k") {
        const next =
          present.alerts[at === -1 ? 0 : Math.min(present.alerts.length - 1, Math.max(0, at + (key === "j" ? 1 : -1)))];
        if (next === undefined) return;
        present.act.select(next.id);
        focusOn(next.id);
      } else if (key === "a" && chosen) present.act.acknowledge(chosen);
      else if (key === "d" && chosen) present.act.dispatch(chosen);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [keys, focusOn]);

  return (
    <ul ref={list} className="queue" aria-label={t("queue.title")}>
      {alerts.map((alert) => (
        <li key={alert.id}>
          <button
            type="button"
            className="entry"
            data-testid="alert-row"
            data-id={alert.id}
            data-level={severityName(alert.level)}
            data-new={alert.state === "raised" && alert.level === 1 ? "red" : undefined}
            aria-current={alert.id === selected}
            onClick={() => act.select(alert.id)}
            onDoubleClick={() => act.open(alert)}
            onKeyDown={(event) => {
              if (event.key !== "Enter") return;
              event.preventDefault();
              act.open(alert);
            }}
          >
            <span className="line">
              <Severity level={alert.level} />
              <span className="title">{say(alert.kind_title)}</span>
            </span>
            <span className="quiet">
              <Moment at={alert.updated_at} shape="short" />
            </span>
            <span className="quiet">{say(alert.subject.name)}</span>
            <AlertStateTag alert={alert} />
            {notes?.has(alert.id) && (
              <span className="quiet" style={{ gridColumn: "1 / -1" }} data-testid="alert-silenced">
                {notes.get(alert.id)}
              </span>
            )}
          </button>
        </li>
      ))}
    </ul>
  );
}

const NONE: ReadonlyMap<string, string> = new Map();

/** Why alerts are silenced, and until when, by the alerts' ids. */
export function useSilenced(asked: boolean, alerts: readonly Alert[] | undefined): ReadonlyMap<string, string> {
  const { t } = useWords();
  const zone = useZone();
  const rules = useSuppressions("in_force", asked).data?.items;
  return useMemo(() => {
    if (!asked || !alerts || !rules) return NONE;
    const by = new Map(rules.map((rule) => [rule.id, rule]));
    return new Map(
      alerts.flatMap(({ id, suppressed_by }) => {
        const rule = by.get(suppressed_by ?? "");
        return rule
          ? [[id, t("queue.until", { until: cityTime(rule.until, zone, "short"), reason: rule.reason })] as const]
          : [];
      }),
    );
  }, [asked, alerts, rules, t, zone]);
}

export function AlertStateTag({ alert }: { alert: Pick<Alert, "state" | "incident_id"> }) {
  const { t } = useWords();
  const inHand = alert.incident_id !== null && alert.state === "acknowledged";
  const word: Key = inHand ? "alert.is.dispatched" : `alert.is.${alert.state}`;
  return (
    <span className="tag" data-tone={alert.state === "raised" ? "accent" : undefined}>
      {t(word)}
    </span>
  );
}
