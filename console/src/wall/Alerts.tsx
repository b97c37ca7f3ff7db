/** Alerts by level, in shape, word and colour; below them the newest, large. */

import { useAlerts } from "../api/queries";
import { useNow } from "../live/LiveProvider";
import { cityTime, duration } from "../time/format";
import { SeverityMark } from "../ui/Severity";
import { severityName } from "../ui/severity";
import { useZone } from "../ui/Time";
import { Given, Nothing, Pane } from "./parts";
import type { useGlance } from "./queries";
import { pageOf, useRoom } from "./turning";
import { useWallWords } from "./words";

const ROW = 3.7; // of the size of the letters: what style gives a row

export function Alerts({ glance, turn }: { glance: ReturnType<typeof useGlance>; turn: number }) {
  const { t, w, say, number, language } = useWallWords();
  const zone = useZone();
  const now = useNow();
  const alerts = useAlerts("open");
  const [box, room] = useRoom<HTMLDivElement>(ROW);
  const newest = [...(alerts.data?.items ?? [])].sort((a, b) => b.raised_at.localeCompare(a.raised_at));
  const page = pageOf(newest, room, turn);
  const counts = glance.data?.alerts ?? null;
  const open = counts?.levels.reduce((sum, { raised, acknowledged }) => sum + raised + acknowledged, 0);
  return (
    <Pane
      name="alerts"
      title={w("alerts.title")}
      of={[glance, alerts]}
      page={page}
      aside={open !== undefined && <span className="numeric">{w("alerts.open", { n: number(open, 0) })}</span>}
    >
      <Given of={glance} closed={glance.data?.alerts === null}>
        {() => (
          <ul className="wall-levels">
            {counts?.levels.map(({ level, raised, acknowledged }) => (
              <li key={level} data-level={severityName(level)} data-none={raised + acknowledged === 0}>
                <SeverityMark level={level} />
                <strong className="numeric" data-long={raised + acknowledged >= 100}>
                  {number(raised + acknowledged, 0)}
                </strong>
                <span>{t(`severity.${severityName(level)}`)}</span>
                <span className="numeric wall-new" data-waits={raised > 0}>
                  {w("alerts.new", { n: number(raised, 0) })}
                </span>
              </li>
            ))}
          </ul>
        )}
      </Given>
      {counts !== null && counts.suppressed > 0 && (
        <p className="quiet wall-line">{w("alerts.silenced", { n: number(counts.suppressed, 0) })}</p>
      )}
      <h3 className="unseen">{w("alerts.newest")}</h3>
      <div className="wall-list" ref={box}>
        {glance.data?.alerts !== null && (
          <Given of={alerts}>
            {() =>
              newest.length === 0 ? (
                <Nothing title={w("alerts.none")}>{w("alerts.noneWhy")}</Nothing>
              ) : (
                <ul>
                  {page.shown.map((alert) => (
                    <li key={alert.id} className="wall-alert" data-testid="wall-alert">
                      <SeverityMark level={alert.level} />
                      <span className="unseen">{t(`severity.${severityName(alert.level)}`)}</span>
                      <div>
                        <strong>{say(alert.subject.name)}</strong>
                        <span>{say(alert.kind_title)}</span>
                      </div>
                      <div className="wall-when numeric">
                        <time dateTime={alert.raised_at}>
                          {cityTime(alert.raised_at, zone, now - Date.parse(alert.raised_at) < 72e6 ? "hour" : "short")}
                        </time>
                        <span className="quiet">
                          {w("alerts.ago", { length: duration((now - Date.parse(alert.raised_at)) / 1000, language) })}
                        </span>
                        {alert.state === "raised" && (
                          <span className="wall-new" data-waits="true">
                            {w("alerts.waits")}
                          </span>
                        )}
                      </div>
                    </li>
                  ))}
                </ul>
              )
            }
          </Given>
        )}
      </div>
    </Pane>
  );
}
