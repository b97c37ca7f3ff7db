/** The numbers of the city's day, with the moment they are of. */

import type { useFlow } from "../flow/queries";
import { useFlowWords } from "../flow/words";
import { cityTime } from "../time/format";
import { useZone } from "../ui/Time";
import { Big, Given, Pane } from "./parts";
import type { useGlance } from "./queries";
import { useWallWords } from "./words";

export function Today({ glance, flow }: { glance: ReturnType<typeof useGlance>; flow: ReturnType<typeof useFlow> }) {
  const { w, number } = useWallWords();
  const { percent } = useFlowWords();
  const zone = useZone();
  const seen = glance.data;
  const total = flow.data?.total;
  return (
    <Pane
      name="today"
      title={w("today.title", { date: seen ? cityTime(seen.day, zone, "date").slice(5) : "" })}
      of={[glance]}
      aside={
        seen && (
          <time className="quiet numeric" dateTime={seen.at}>
            {w("today.asOf", { at: cityTime(seen.at, zone, "time") })}
          </time>
        )
      }
    >
      <Given of={glance}>
        {({ alerts, tasks, incidents }) => (
          <dl className="wall-bigs">
            {alerts && (
              <>
                <Big value={number(alerts.today.raised, 0)} name={w("today.raised")} />
                <Big value={number(alerts.today.ended, 0)} name={w("today.ended")} />
              </>
            )}
            {incidents && (
              <Big
                value={number(incidents.open, 0)}
                name={w("today.incidents")}
                note={w("today.opened", { n: number(incidents.today.opened, 0) })}
              />
            )}
            {tasks && (
              <Big
                value={number(tasks.today.closed, 0)}
                name={w("today.closed")}
                note={tasks.today.late > 0 ? w("today.closedLate", { n: number(tasks.today.late, 0) }) : undefined}
              />
            )}
            {total && (
              <>
                <Big value={number(total.rows.day, 0)} name={w("today.rows")} />
                <Big value={percent(total.quality)} name={w("today.quality")} />
              </>
            )}
          </dl>
        )}
      </Given>
    </Pane>
  );
}
