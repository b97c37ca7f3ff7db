/** Handing files of a source over: one after the other, with how much has gone, what landed and what was refused. */

import { Button, Progress } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Link } from "wouter";
import { commandId, Problem, query, told } from "../api/client";
import type { Source, Text } from "../api/types";
import { Sheet } from "../ui/Sheet";
import { Failure } from "../ui/states";
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

interface Entry {
  file: File;
  /** Kept over tries: the same file again is the same command. */
  id: string;
  sent: number;
  stage: "waiting" | "sending" | "landing" | "done" | "failed";
  done: HandedOver | null;
  error: unknown;
}

/** Sends a file as it is; `gone` hears how many bytes have left. `fetch` does not tell that. */
function send(source: string, { file, id }: Entry, gone: (bytes: number) => void, request: XMLHttpRequest) {
  return new Promise<HandedOver>((resolve, reject) => {
    const path = `/api/sources/${encodeURIComponent(source)}/files${query({ name: file.name, command_id: id })}`;
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = ({ loaded }) => gone(loaded);
    request.onload = () => {
      try {
        const body = JSON.parse(request.responseText);
        if (request.status < 300) resolve(body as HandedOver);
        else reject(told(request.status, body));
      } catch {
        reject(new Problem(request.status, `http-${request.status}`, request.responseText.slice(0, 200)));
      }
    };
    request.onerror = () => reject(new Problem(0, "network", "network"));
    request.onabort = () => reject(new Problem(0, "stopped", "stopped"));
    request.send(file);
  });
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
  const client = useQueryClient();
  const [entries, setEntries] = useState<Entry[]>([]);
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const request = useRef<XMLHttpRequest | null>(null);
  const change = (id: string, values: Partial<Entry>) =>
    setEntries((before) => before.map((one) => (one.id === id ? { ...one, ...values } : one)));
  const add = (list: FileList | null) =>
    setEntries((before) => [
      ...before,
      ...Array.from(list ?? [], (file) => ({
        file,
        id: commandId(),
        sent: 0,
        stage: "waiting" as const,
        done: null,
        error: null,
      })),
    ]);
  const tooLarge = ({ file }: Entry) => file.size > files.most_bytes;
  const open = entries.filter((one) => ["waiting", "failed"].includes(one.stage) && !tooLarge(one));
  const start = async () => {
    setBusy(true);
    for (const one of open) {
      const sending = new XMLHttpRequest();
      request.current = sending;
      change(one.id, { stage: "sending", error: null, sent: 0 });
      try {
        const gone = (sent: number) => change(one.id, { sent, stage: sent >= one.file.size ? "landing" : "sending" });
        const done = await send(source.id, one, gone, sending);
        change(one.id, { stage: "done", done });
      } catch (error) {
        change(one.id, { stage: "failed", error });
        if (error instanceof Problem && error.code === "stopped") break;
      }
    }
    request.current = null;
    setBusy(false);
    void client.invalidateQueries({
      predicate: ({ queryKey }) => ["quarantine", "flow", "sources", "source"].includes(String(queryKey[0])),
    });
  };
  return (
    <Sheet
      title={f("hand.title", { source: say(source.title) })}
      close={() => {
        request.current?.abort();
        close();
      }}
    >
      <div className="body stack">
        <p style={{ margin: 0 }}>{f("hand.what", { most: bytes(files.most_bytes), pattern: files.pattern })}</p>
        {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is beside the button, which does the same */}
        <div
          className="flow-drop"
          data-over={over}
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={(event) => {
            event.preventDefault();
            setOver(false);
            if (!busy) add(event.dataTransfer.files);
          }}
        >
          <input
            ref={input}
            type="file"
            multiple
            hidden
            data-testid="hand-input"
            aria-label={f("hand.choose")}
            onChange={({ currentTarget }) => {
              add(currentTarget.files);
              currentTarget.value = "";
            }}
          />
          <Button size="xs" variant="default" disabled={busy} onClick={() => input.current?.click()}>
            {f("hand.choose")}
          </Button>{" "}
          <span className="quiet">{f("hand.drop")}</span>
        </div>
        <ul className="flow-handed">
          {entries.map((one) => (
            <li key={one.id} data-testid="handed" data-stage={one.stage}>
              <span className="line">
                <span className="mono" style={{ overflowWrap: "anywhere" }}>
                  {one.file.name}
                </span>
                <span className="quiet">{bytes(one.file.size)}</span>
                <span className="spacer" />
                {!busy && one.stage !== "done" && (
                  <Button
                    size="compact-xs"
                    variant="default"
                    onClick={() => setEntries((before) => before.filter(({ id }) => id !== one.id))}
                  >
                    {f("hand.remove")}
                  </Button>
                )}
              </span>
              <Outcome entry={one} tooLarge={tooLarge(one) ? bytes(files.most_bytes) : null} />
            </li>
          ))}
        </ul>
        <span className="line">
          <Button
            size="xs"
            data-testid="hand-send"
            disabled={open.length === 0}
            loading={busy}
            onClick={() => void start()}
          >
            {f("hand.send")}
          </Button>
          {busy ? (
            <Button size="xs" variant="default" onClick={() => request.current?.abort()}>
              {f("replay.stop")}
            </Button>
          ) : (
            <Button size="xs" variant="default" onClick={close}>
              {f("hand.close")}
            </Button>
          )}
        </span>
      </div>
    </Sheet>
  );
}

function Outcome({ entry: { file, sent, stage, done, error }, tooLarge }: { entry: Entry; tooLarge: string | null }) {
  const { f, say, number, code } = useFlowWords();
  if (tooLarge !== null && stage === "waiting")
    return (
      <div className="status" data-tone="late">
        {f("hand.tooLarge", { most: tooLarge })}
      </div>
    );
  if (stage === "waiting") return null;
  if (stage === "sending" || stage === "landing")
    return (
      <div className="line" role="status">
        <Progress
          style={{ flex: 1 }}
          value={file.size > 0 ? (100 * sent) / file.size : 100}
          animated={stage === "landing"}
          aria-label={file.name}
        />
        <span className="quiet numeric">
          {stage === "landing" ? f("hand.landing") : `${number(Math.floor((100 * sent) / Math.max(file.size, 1)), 0)}%`}
        </span>
      </div>
    );
  if (done === null)
    return error instanceof Problem && error.code === "stopped" ? (
      <div className="quiet">{f("hand.stopped")}</div>
    ) : (
      <Failure error={error} />
    );
  return (
    <div role="status" data-testid="handed-outcome">
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
    </div>
  );
}
