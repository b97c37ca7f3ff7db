/** Trying rows of quarantine again, a piece at a time, so that it shows how far it is and can be stopped; and what it did. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { commandId, post } from "../api/client";
import type { Replay } from "../api/types";
import { Panel } from "../ui/states";
import { useTell } from "../ui/Toast";
import { Figure } from "./parts";
import { useFlowWords } from "./words";

const PIECE = 500;

export interface Replayed extends Required<Omit<Replay, "next">> {
  /** How many there were to try. */
  of: number;
  stopped: boolean;
}

export function useReplaying() {
  const { f } = useFlowWords();
  const tell = useTell();
  const client = useQueryClient();
  const [at, setAt] = useState<Replayed | null>(null);
  const [running, setRunning] = useState(false);
  const stopped = useRef(false);
  useEffect(() => {
    stopped.current = false;
    return () => {
      stopped.current = true;
    };
  }, []);
  const start = async (sources: readonly string[], reason: string | null, field: string | null, of: number) => {
    let sum: Replayed = { tried: 0, landed: 0, still_bad: 0, superseded: 0, of, stopped: false };
    stopped.current = false;
    setRunning(true);
    setAt(sum);
    try {
      for (const source of sources) {
        let after: string | null = null;
        do {
          const done: Replay = await post<Replay>("/api/quarantine/replay", {
            command_id: commandId(),
            source,
            reason,
            field,
            after,
            limit: PIECE,
          });
          sum = {
            ...sum,
            tried: sum.tried + done.tried,
            landed: sum.landed + done.landed,
            still_bad: sum.still_bad + done.still_bad,
            superseded: sum.superseded + (done.superseded ?? 0),
          };
          setAt(sum);
          after = done.next ?? null;
        } while (after !== null && !stopped.current);
        if (stopped.current) break;
      }
      sum = { ...sum, stopped: stopped.current };
      setAt(sum);
      tell.done(f("replay.done", { tried: sum.tried, landed: sum.landed, bad: sum.still_bad }));
    } catch (error) {
      setAt({ ...sum, stopped: true });
      tell.failed(error);
    } finally {
      setRunning(false);
      void client.invalidateQueries({
        predicate: ({ queryKey }) => ["quarantine", "flow", "sources", "source"].includes(String(queryKey[0])),
      });
    }
  };
  return {
    at,
    running,
    start,
    stop: () => {
      stopped.current = true;
    },
  };
}

/** What a replay did, and kept on the page until the next one: how many rows landed, how many are still bad. */
export function ReplayResult({
  result,
  running = false,
}: {
  result: Replay & { stopped?: boolean };
  running?: boolean;
}) {
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
        {result.stopped && <p style={{ margin: "6px 0 0" }}>{f("replayed.stopped")}</p>}
        {!running && result.landed === 0 && result.still_bad > 0 && (
          <p style={{ margin: "6px 0 0" }}>{f("replayed.none")}</p>
        )}
      </div>
    </Panel>
  );
}
