/** What a replay did, and kept on the page until the next one: how many rows landed, how many are still bad. */

import type { Replay } from "../api/types";
import { Panel } from "../ui/states";
import { Figure } from "./parts";
import { useFlowWords } from "./words";

export function ReplayResult({ result }: { result: Replay & { superseded?: number } }) {
  const { f, number } = useFlowWords();
  return (
    <Panel title={f("replayed.title")} className="flow-result">
      <div className="body" role="status" data-testid="replay-result">
        <dl className="flow-figures small">
          <Figure name={f("replayed.tried")}>{number(result.tried, 0)}</Figure>
          <Figure name={f("replayed.landed")}>{number(result.landed, 0)}</Figure>
          <Figure name={f("replayed.still")}>{number(result.still_bad, 0)}</Figure>
          {(result.superseded ?? 0) > 0 && (
            <Figure name={f("replayed.superseded")}>{number(result.superseded ?? 0, 0)}</Figure>
          )}
        </dl>
        {result.landed === 0 && result.still_bad > 0 && <p style={{ margin: "6px 0 0" }}>{f("replayed.none")}</p>}
      </div>
    </Panel>
  );
}
