import type { MatterState } from "./types";
import { useMatterWords } from "./words";

export function StateTag({ state }: { state: MatterState }) {
  const { m } = useMatterWords();
  return (
    <span
      className="tag"
      data-tone={state === "open" ? "accent" : undefined}
      data-testid="matter-state"
      data-state={state}
    >
      {m(`state.${state}`)}
    </span>
  );
}
