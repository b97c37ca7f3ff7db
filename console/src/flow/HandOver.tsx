/** Handing files of a source over, with what landed and what was refused. */

import { Link } from "wouter";
import { query } from "../api/client";
import type { Source, Text } from "../api/types";
import { HandFiles } from "../hand/HandFiles";
import { useFlowWords } from "./words";

interface HandedOver {
  delivery: string;
  rows: number;
  quarantined: number;
  reasons: Record<string, number>;
  refused: Text | null;
  repeated: boolean;
  bytes: number;
}

export function HandOver({
  source,
  files,
  close,
}: {
  source: Pick<Source, "id" | "title">;
  files: NonNullable<Source["files"]>;
  close: () => void;
}) {
  const { f, say, bytes } = useFlowWords();
  return (
    <HandFiles<HandedOver>
      title={f("hand.title", { source: say(source.title) })}
      most={files.most_bytes}
      path={(name, command_id) => `/api/sources/${encodeURIComponent(source.id)}/files${query({ name, command_id })}`}
      touches={["quarantine", "flow", "sources", "source"]}
      outcome={(done) => <Outcome of={done} />}
      close={close}
    >
      <p style={{ margin: 0 }}>{f("hand.what", { most: bytes(files.most_bytes), pattern: files.pattern })}</p>
    </HandFiles>
  );
}

function Outcome({ of: done }: { of: HandedOver }) {
  const { f, say, number, code } = useFlowWords();
  return (
    <>
      {done.refused ? (
        <span className="status" data-tone="late">
          {f("hand.refused", { why: say(done.refused) })}
        </span>
      ) : (
        <>
          {done.repeated && <>{f("hand.repeated")} </>}
          {f("hand.landed", { rows: number(done.rows, 0), bad: number(done.quarantined, 0) })}
          {done.quarantined > 0 && (
            <span className="quiet">
              {" "}
              {Object.entries(done.reasons)
                .map(([reason, n]) => `${code("reason", reason)} ${number(n, 0)}`)
                .join(" · ")}
            </span>
          )}
        </>
      )}{" "}
      <Link href={`/deliveries/${encodeURIComponent(done.delivery)}`} data-testid="handed-delivery">
        {f("hand.open")}
      </Link>
    </>
  );
}
