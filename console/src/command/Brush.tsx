/** The time line below the map: when alerts were raised, by level, and the moment that is looked at. */

import { Button } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Iso, Level } from "../api/types";
import { cityTime, zoneOffset } from "../time/format";
import { SeverityMark } from "../ui/Severity";
import { severityName } from "../ui/severity";
import { useZone } from "../ui/Time";
import { lanes, type PastAlert, SPANS, type Span, type Window } from "./past";
import { useCommandWords } from "./words";

const BINS = 120;
const STEPS = 480; // of the slider
const SETTLE_MS = 200;
const HOUR = 3_600_000;
const TICKS = [HOUR, 3 * HOUR, 6 * HOUR, 24 * HOUR, 72 * HOUR, 168 * HOUR];

export function Brush({
  alerts,
  window,
  span,
  at,
  now,
  change,
}: {
  alerts: readonly PastAlert[] | undefined;
  window: Window;
  span: Span;
  /** The moment looked at, ms; null is now. */
  at: number | null;
  now: number;
  change: (set: { at?: Iso | null; span?: Span }) => void;
}) {
  const { c } = useCommandWords();
  const zone = useZone();
  const { from, to } = window;
  const counted = useMemo(() => lanes(alerts ?? [], { from, to }, BINS), [alerts, from, to]);
  const live = to >= now;
  const step = (to - from) / STEPS;
  const chosen = at === null ? STEPS : Math.round((at - from) / step);
  const [dragged, setDragged] = useState<number | null>(null);
  const commit = useRef(change);
  commit.current = change;
  useEffect(() => {
    if (dragged === null) return;
    const timer = setTimeout(() => {
      commit.current({ at: live && dragged >= STEPS ? null : new Date(from + dragged * step).toISOString() });
      setDragged(null);
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [dragged, from, step, live]);
  const shown = Math.min(STEPS, Math.max(0, dragged ?? chosen));
  const moment = from + shown * step;
  const present = live && shown >= STEPS;
  const words = present ? c("brush.now") : cityTime(moment, zone, "minute");
  const share = (ms: number) => `${((100 * (ms - from)) / (to - from)).toFixed(3)}%`;
  const every = TICKS.find((one) => (to - from) / one <= (innerWidth < 700 ? 4 : 9)) ?? 168 * HOUR;
  const offset = zoneOffset(from, zone);
  const ticks: number[] = [];
  for (let tick = Math.ceil((from + offset) / every) * every - offset; tick <= to; tick += every) ticks.push(tick);
  const total = counted.flat().reduce((sum, n) => sum + n, 0);
  return (
    <section className="panel brush-area" aria-label={c("brush.label", { span: c(`brush.${span}`) })}>
      <div className="brush-bar">
        <fieldset className="brush-spans" aria-label={c("brush.span")}>
          {SPANS.map((one) => (
            <Button
              key={one}
              size="compact-xs"
              variant={one === span ? "filled" : "default"}
              aria-pressed={one === span}
              data-testid={`span-${one}`}
              onClick={() => change({ span: one })}
            >
              {c(`brush.${one}`)}
            </Button>
          ))}
        </fieldset>
        <span className={present ? "quiet" : "tag"} data-tone="accent" data-testid="brush-moment">
          {words}
        </span>
        {alerts !== undefined && <span className="quiet numeric">{c("brush.total", { n: total })}</span>}
        <span className="spacer" />
        {!present && (
          <Button size="compact-xs" data-testid="to-now" onClick={() => change({ at: null })}>
            {c("brush.toNow")}
          </Button>
        )}
      </div>
      <div className="brush-lanes">
        {counted.map((lane, index) => (
          <Lane key={index} level={(index + 1) as Level} counts={lane} />
        ))}
        <div className="brush-axis" aria-hidden="true">
          {ticks
            // What would be cut off at the right end is left out.
            .filter((tick) => (to - tick) / (to - from) > (innerWidth < 700 ? 0.2 : 0.13))
            .map((tick) => (
              <span key={tick} style={{ left: share(tick) }}>
                {axisTime(tick, zone, every)}
              </span>
            ))}
        </div>
        <span
          className="brush-at"
          data-now={present}
          style={{ left: `calc(22px + (100% - 22px) * ${shown / STEPS})` }}
        />
        <input
          className="brush-slider"
          type="range"
          data-testid="brush"
          aria-label={c("brush.slider")}
          aria-valuetext={words}
          min={0}
          max={STEPS}
          step={1}
          value={shown}
          onChange={(event) => setDragged(Number(event.currentTarget.value))}
        />
      </div>
    </section>
  );
}

/** The day where days are counted or one begins, else the time of day: marks that stand close stay apart. */
function axisTime(tick: number, zone: string, every: number): string {
  const [day = "", time = ""] = cityTime(tick, zone, "short").split(" ");
  return every >= 24 * HOUR || time === "00:00" ? day : time;
}

/** The alerts of one level: a mark each bin, taller where there are more. Its place says the level, not colour alone. */
function Lane({ level, counts }: { level: Level; counts: readonly number[] }) {
  const { c, t } = useCommandWords();
  const most = Math.max(1, ...counts);
  const n = counts.reduce((sum, one) => sum + one, 0);
  const words = c("brush.lane", { level: t(`severity.${severityName(level) as "red"}`), n });
  return (
    <div className="brush-lane">
      <span title={words}>
        <SeverityMark level={level} size={12} />
        <span className="unseen">{words}</span>
      </span>
      <svg viewBox={`0 0 ${BINS} 10`} preserveAspectRatio="none" aria-hidden="true" data-level={severityName(level)}>
        {counts.map((count, bin) =>
          count === 0 ? null : (
            <rect
              key={bin}
              x={bin + 0.1}
              width={0.8}
              y={10 - (3 + (7 * count) / most)}
              height={3 + (7 * count) / most}
            />
          ),
        )}
      </svg>
    </div>
  );
}
