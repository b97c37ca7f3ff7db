/** Small parts that the pages of the flow share. */

import type { ReactNode } from "react";
import { Link } from "wouter";
import { Problem } from "../api/client";
import type { Text } from "../api/types";
import { cityTime } from "../time/format";
import { CheckIcon, ClockIcon, CrossIcon, WaitingIcon, WarningIcon } from "../ui/icons";
import { Empty, Failure, Loading, Panel } from "../ui/states";
import { useZone } from "../ui/Time";
import type { FlowState, ListenerFigures } from "./types";
import { useFlowWords } from "./words";
import "./flow.css";

const MOMENT = /\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)/g;

/** What a delivery is called: moments in its name, which a listener gives it, are written as the city writes them. */
export function useDeliveryName(): (name: string | null | undefined) => string {
  const zone = useZone();
  return (name) => (name ?? "").replace(MOMENT, (at) => cityTime(at, zone, "minute"));
}

const NoneIcon = ({ size = 16 }: { size?: number }) => (
  <svg
    width={size}
    height={size}
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    strokeWidth={1.8}
    aria-hidden="true"
  >
    <path d="M7 12h10" strokeLinecap="round" />
  </svg>
);

const LOOKS: Record<FlowState, { icon: (props: { size?: number }) => ReactNode; tone: string }> = {
  failing: { icon: WarningIcon, tone: "late" },
  refused: { icon: CrossIcon, tone: "late" },
  late: { icon: ClockIcon, tone: "late" },
  idle: { icon: WaitingIcon, tone: "quiet" },
  ok: { icon: CheckIcon, tone: "good" },
  none: { icon: NoneIcon, tone: "quiet" },
};

export function StateIcon({ state, size = 14 }: { state: FlowState; size?: number }) {
  const { icon: Icon, tone } = LOOKS[state] ?? LOOKS.none;
  return (
    <span className="status" data-tone={tone}>
      <Icon size={size} />
    </span>
  );
}

export function StateWord({ state }: { state: FlowState }) {
  const { state: word } = useFlowWords();
  const { icon: Icon, tone } = LOOKS[state] ?? LOOKS.none;
  return (
    <span className="status" data-tone={tone}>
      <Icon />
      {word(state)}
    </span>
  );
}

export const troubled = (state: FlowState) => state === "failing" || state === "refused" || state === "late";

/** A row of bars without words; what it says stands beside it in numbers. */
export function Spark({
  values,
  width = 96,
  height = 20,
}: {
  values: readonly number[];
  width?: number;
  height?: number;
}) {
  const most = Math.max(...values, 1);
  const step = width / Math.max(values.length, 1);
  return (
    <svg className="spark" width={width} height={height} aria-hidden="true">
      <path d={`M0 ${height - 0.5}H${width}`} className="spark-ground" />
      {values.map((value, at) =>
        value > 0 ? (
          <rect
            key={at}
            x={at * step + 0.5}
            width={Math.max(step - 1, 0.75)}
            y={height - Math.max(1.5, (value / most) * height)}
            height={Math.max(1.5, (value / most) * height)}
          />
        ) : null,
      )}
    </svg>
  );
}

export function Figure({ name, children, note }: { name: string; children: ReactNode; note?: ReactNode }) {
  return (
    <div className="flow-figure">
      <dt>{name}</dt>
      <dd>
        <strong>{children}</strong>
        {note !== undefined && <span className="quiet">{note}</span>}
      </dd>
    </div>
  );
}

export function Quality({ share, open }: { share: number | null; open?: number }) {
  const { percent } = useFlowWords();
  const poor = share !== null && share < 0.95;
  return <span className={poor || (share === null && open) ? "flow-poor numeric" : "numeric"}>{percent(share)}</span>;
}

/** Figures that say something when they are nothing, too; the others are shown once there is something to say. */
const ALWAYS = new Set(["connections", "frames", "rows", "waiting_frames"]);

export function Listener({ figures }: { figures: ListenerFigures }) {
  const { f, code, number, bytes } = useFlowWords();
  return (
    <section aria-label={f("listener.title")}>
      <h3 className="flow-sub">{f("listener.title")}</h3>
      <dl className="flow-figures small" data-testid="listener">
        {Object.entries(figures)
          .filter(([name, value]) => value > 0 || ALWAYS.has(name))
          .map(([name, value]) => (
            <Figure key={name} name={code("listener", name)}>
              {name.endsWith("bytes") ? bytes(value) : number(value, Number.isInteger(value) ? 0 : 1)}
            </Figure>
          ))}
      </dl>
    </section>
  );
}

export function Choice<T extends string>({
  label,
  among,
  value,
  choose,
  testid,
}: {
  label: string;
  among: readonly (readonly [T, ReactNode])[];
  value: T;
  choose: (value: T) => void;
  testid?: string;
}) {
  return (
    <fieldset className="flow-choice" aria-label={label} data-testid={testid}>
      {among.map(([one, word]) => (
        <button key={one} type="button" aria-pressed={one === value} onClick={() => choose(one)} data-value={one}>
          {word}
        </button>
      ))}
    </fieldset>
  );
}

/** Why, in words; with the field where the words do not name it. */
export function Why({ reason }: { reason: { field: string | null; message: Text } }) {
  const { say } = useFlowWords();
  const words = say(reason.message);
  return (
    <>
      {reason.field && !words.includes(reason.field) && <span className="mono">{reason.field} </span>}
      {words}
    </>
  );
}

/** In place of a page that has no answer yet, or none: what is not there and what is not yours to see look the same. */
export function Unanswered({
  of: { error, refetch },
  back,
}: {
  of: { error: unknown; refetch: () => unknown };
  back: "flow" | "sources" | "quarantine" | "catalogue";
}) {
  const { f } = useFlowWords();
  return (
    <Panel>
      {error instanceof Problem && error.status === 404 ? (
        <Empty title={f("gone.title")}>
          <span>{f("gone.why")}</span> <Link href={`/${back}`}>{f(`tabs.${back}`)}</Link>
        </Empty>
      ) : error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : (
        <Loading lines={8} />
      )}
    </Panel>
  );
}
