/** Handing files over: one after the other, with how much has gone and what became of each. Who uses it says where to. */

import { Button, Progress } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useRef, useState } from "react";
import { commandId, Problem, told } from "../api/client";
import { Sheet } from "../ui/Sheet";
import { Failure } from "../ui/states";
import "./hand.css";
import { sizeWords } from "./size";
import { useHandWords } from "./words";

interface Entry<T> {
  file: File;
  /** Kept over tries: the same file again is the same command. */
  id: string;
  sent: number;
  stage: "waiting" | "sending" | "landing" | "done" | "failed";
  done: T | null;
  error: unknown;
}

/** Sends a file as it is; `gone` hears how many bytes have left. `fetch` does not tell that. */
function send<T>(path: string, file: File, gone: (bytes: number) => void, request: XMLHttpRequest) {
  return new Promise<T>((resolve, reject) => {
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Accept-Language", document.documentElement.lang);
    request.upload.onprogress = ({ loaded }) => gone(loaded);
    request.onload = () => {
      try {
        const body = JSON.parse(request.responseText);
        if (request.status < 300) resolve(body as T);
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

export function HandFiles<T>({
  title,
  most,
  path,
  touches,
  outcome,
  ready = true,
  close,
  children,
}: {
  title: string;
  /** Bytes that a file has at most. */
  most: number;
  /** Where a file goes; `id` is its own command. */
  path: (name: string, id: string) => string;
  /** The first words of the questions whose answers may be others now. */
  touches: readonly string[];
  /** What became of a file, in words. */
  outcome: (done: T) => ReactNode;
  /** Whether all that is asked above the files is filled in. */
  ready?: boolean;
  close: () => void;
  /** What happens to the files, and what else is asked. */
  children: ReactNode;
}) {
  const { p, number } = useHandWords();
  const client = useQueryClient();
  const [entries, setEntries] = useState<Entry<T>[]>([]);
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const request = useRef<XMLHttpRequest | null>(null);
  const change = (id: string, values: Partial<Entry<T>>) =>
    setEntries((before) => before.map((one) => (one.id === id ? { ...one, ...values } : one)));
  const add = (list: FileList | null) => {
    // Read now: the list is empty again as soon as the field is.
    const chosen = Array.from(list ?? [], (file) => ({
      file,
      id: commandId(),
      sent: 0,
      stage: "waiting" as const,
      done: null,
      error: null,
    }));
    setEntries((before) => [...before, ...chosen]);
  };
  const tooLarge = ({ file }: Entry<T>) => file.size > most;
  const open = entries.filter((one) => ["waiting", "failed"].includes(one.stage) && !tooLarge(one));
  const sending = entries.some(({ stage }) => stage === "sending");
  const start = async () => {
    setBusy(true);
    for (const one of open) {
      const going = new XMLHttpRequest();
      request.current = going;
      change(one.id, { stage: "sending", error: null, sent: 0 });
      try {
        const gone = (sent: number) => change(one.id, { sent, stage: sent >= one.file.size ? "landing" : "sending" });
        const done = await send<T>(path(one.file.name, one.id), one.file, gone, going);
        change(one.id, { stage: "done", done });
      } catch (error) {
        change(one.id, { stage: "failed", error });
        if (error instanceof Problem && error.code === "stopped") break;
      }
    }
    request.current = null;
    setBusy(false);
    void client.invalidateQueries({ predicate: ({ queryKey }) => touches.includes(String(queryKey[0])) });
  };
  /** What has gone completely is landed all the same; what waits does not go. */
  const leave = () => {
    request.current?.abort();
    close();
  };
  return (
    <Sheet title={title} close={leave}>
      <div className="body stack">
        {children}
        {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is beside the button, which does the same */}
        <div
          className="hand-drop"
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
            aria-label={p("choose")}
            onChange={({ currentTarget }) => {
              add(currentTarget.files);
              currentTarget.value = "";
            }}
          />
          <Button size="xs" variant="default" disabled={busy} onClick={() => input.current?.click()}>
            {p("choose")}
          </Button>{" "}
          <span className="quiet">{p("drop")}</span>
        </div>
        <ul className="hand-files">
          {entries.map((one) => (
            <li key={one.id} data-testid="handed" data-stage={one.stage}>
              <span className="line">
                <span className="mono" style={{ overflowWrap: "anywhere" }}>
                  {one.file.name}
                </span>
                <span className="quiet">{sizeWords(one.file.size, number)}</span>
                <span className="spacer" />
                {!busy && one.stage !== "done" && (
                  <Button
                    size="compact-xs"
                    variant="default"
                    onClick={() => setEntries((before) => before.filter(({ id }) => id !== one.id))}
                  >
                    {p("remove")}
                  </Button>
                )}
              </span>
              {one.done !== null ? (
                <div role="status" data-testid="handed-outcome">
                  {outcome(one.done)}
                </div>
              ) : (
                <Progressing entry={one} tooLarge={tooLarge(one) ? sizeWords(most, number) : null} />
              )}
            </li>
          ))}
        </ul>
        <span className="line">
          <Button
            size="xs"
            data-testid="hand-send"
            disabled={open.length === 0 || !ready}
            loading={busy}
            onClick={() => void start()}
          >
            {p("send")}
          </Button>
          {sending ? (
            <Button size="xs" variant="default" onClick={() => request.current?.abort()}>
              {p("stop")}
            </Button>
          ) : (
            <Button size="xs" variant="default" onClick={leave}>
              {p("close")}
            </Button>
          )}
        </span>
      </div>
    </Sheet>
  );
}

function Progressing<T>({
  entry: { file, sent, stage, error },
  tooLarge,
}: {
  entry: Entry<T>;
  tooLarge: string | null;
}) {
  const { p, number } = useHandWords();
  if (tooLarge !== null && stage === "waiting")
    return (
      <div className="status" data-tone="late">
        {p("tooLarge", { most: tooLarge })}
      </div>
    );
  if (stage === "waiting") return null;
  if (stage === "failed")
    return error instanceof Problem && error.code === "stopped" ? (
      <div className="quiet">{p("stopped")}</div>
    ) : (
      <Failure error={error} />
    );
  return (
    <div className="line" role="status">
      <Progress
        style={{ flex: 1 }}
        value={file.size > 0 ? (100 * sent) / file.size : 100}
        animated={stage === "landing"}
        aria-label={file.name}
      />
      <span className="quiet numeric">
        {stage === "landing" ? p("landing") : `${number(Math.floor((100 * sent) / Math.max(file.size, 1)), 0)}%`}
      </span>
    </div>
  );
}
