/** The flow of data into the city: how much now, over the last hour, and which source needs somebody. */

import { StateWord } from "../flow/parts";
import type { useFlow } from "../flow/queries";
import { useFlowWords } from "../flow/words";
import { Big, Given, Nothing, Pane } from "./parts";
import { pageOf, useRoom } from "./turning";
import { useWallWords } from "./words";

const ROW = 2.9;

export function Flow({ turn, on, flow }: { turn: number; on: boolean; flow: ReturnType<typeof useFlow> }) {
  const { w, say, number } = useWallWords();
  const { rate, length } = useFlowWords();
  const [box, room] = useRoom<HTMLDivElement>(ROW);
  const wanting = flow.data?.attention ?? [];
  const page = pageOf(wanting, room, turn);
  return (
    <Pane name="flow" title={w("flow.title")} of={[flow]} page={page} on={on}>
      <Given of={flow}>
        {({ total }) => {
          if (total.sources === 0) return <Nothing title={w("flow.none")} />;
          const wrong = total.states.failing + total.states.refused;
          return (
            <>
              <dl className="wall-bigs">
                <Big value={rate(total.rate.now, true)} name={w("flow.rate")} />
                <Big value={`${number(total.states.ok, 0)}/${number(total.sources, 0)}`} name={w("flow.sources")} />
                <Big value={number(total.states.late, 0)} name={w("flow.late")} late={total.states.late > 0} />
                <Big value={number(wrong, 0)} name={w("flow.wrong")} late={wrong > 0} />
                <Big value={number(total.bad.day, 0)} name={w("flow.bad")} />
              </dl>
              <Minutes values={total.minutes} title={w("flow.hour")} />
            </>
          );
        }}
      </Given>
      <div className="wall-list" ref={box}>
        {flow.data && flow.data.total.sources > 0 && wanting.length === 0 && (
          <p className="wall-line">{w("flow.calm")}</p>
        )}
        <ul>
          {page.shown.map((one) => (
            <li key={one.id} className="wall-source" data-testid="wall-source">
              <StateWord state={one.state} />
              <span className="wall-name">
                <span>{say(one.title)}</span>
                <span className="quiet">{say(one.department_title)}</span>
              </span>
              <span className="numeric">
                {one.freshness_seconds === null ? w("flow.never") : length(one.freshness_seconds)}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </Pane>
  );
}

/** Rows in each minute of the last hour; what it says in numbers stands above it. */
function Minutes({ values, title }: { values: readonly number[]; title: string }) {
  const most = Math.max(...values, 1);
  return (
    <figure className="wall-minutes">
      <svg viewBox={`0 0 ${values.length * 4} 40`} preserveAspectRatio="none" aria-hidden="true">
        {values.map((value, at) => {
          const tall = value > 0 ? Math.max(1, (value / most) * 40) : 0.4;
          return <rect key={at} x={at * 4 + 0.5} y={40 - tall} width={3} height={tall} />;
        })}
      </svg>
      <figcaption className="quiet">{title}</figcaption>
    </figure>
  );
}
