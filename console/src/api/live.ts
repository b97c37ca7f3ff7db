/** The live channel: one WebSocket that resumes after the last event seen, so none is missed and none counts twice. */

import type { CityEvent, Iso, Text } from "./types";

export interface Place {
  /** The sequence number of the last event taken, or null while none was. */
  last: number | null;
}

export type Taken = { place: Place; event: CityEvent | null; clock: { now: Iso; playing: boolean } | null };

/** What one frame means at this place in the log: a new event, a clock, or nothing (a repeat, or not ours). */
export function take(place: Place, frame: unknown): Taken {
  const nothing: Taken = { place, event: null, clock: null };
  if (typeof frame !== "object" || frame === null) return nothing;
  const { type, seq, now, playing } = frame as Record<string, unknown>;
  // The clock's frame says how far the log was read: events that are not for us are passed over with it.
  if (type === "clock" && typeof now === "string")
    return { place: { last: further(place.last, seq) }, event: null, clock: { now, playing: playing !== false } };
  if (typeof seq !== "number" || typeof type !== "string") return nothing;
  if (place.last !== null && seq <= place.last) return nothing;
  return { place: { last: seq }, event: frame as CityEvent, clock: null };
}

function further(last: number | null, seq: unknown): number | null {
  return typeof seq === "number" && (last === null || seq > last) ? seq : last;
}

/** Where to connect: the whole log is never asked for; a first connection begins at the present. */
export function address(origin: string, place: Place): string {
  const base = `${origin.replace(/^http/, "ws")}/api/live`;
  return place.last === null ? base : `${base}?after=${place.last}`;
}

/** Which cached answers an event makes old: the first words of query keys (see queries.ts). */
export function touched(type: string): readonly string[] {
  const [noun = ""] = type.split(".", 1);
  return TOUCHED[noun] ?? [];
}

const WORK = ["incidents", "incident", "tasks", "scores", "alerts", "alert", "events", "cases"] as const;
const LANDING = ["sources", "source", "flow", "quarantine", "layer", "panel"] as const;
const TOUCHED: Record<string, readonly string[]> = {
  alert: ["alerts", "alert", "suggestion", "panel"],
  suppression: ["alerts", "alert"],
  incident: WORK,
  run: WORK,
  task: WORK,
  receipt: WORK,
  custody: WORK,
  timer: WORK,
  escalation: WORK,
  appeal: ["scores"],
  formula: ["scores"],
  source: LANDING,
  delivery: LANDING,
  dataset: LANDING,
  request: ["flow"],
  grant: ["flow", "alert", "layer", "panel"],
  quarantine: LANDING,
  detector: ["panel"],
  plan: ["suggestion"],
  matter: ["matters"],
  report: ["matters"],
  intake: ["matters"],
  case: ["cases", "suggestion"],
  clause: ["clauses", "suggestion"],
  city: ["city"],
  inbox: ["inbox"],
  handover: ["handover"],
  duty: ["duty", "handover"],
  job: ["jobs", "detectors"],
  log: ["verification"],
};

export type LinkState = "connecting" | "open" | "lost";

interface Listener {
  state(state: LinkState): void;
  /** The city says that nobody is logged in on this link. */
  loggedOut(): void;
  /** A link came up; `again` when there was one before. What was asked without a link may be old, or may have failed. */
  fresh(again: boolean): void;
  event(event: CityEvent): void;
  clock(clock: { now: Iso; playing: boolean }): void;
  /** What belongs to positions: a binary frame, or what names its vehicles (docs/adr/0034). */
  positions(frame: ArrayBuffer | PositionsFrame): void;
}

/** The text frames around positions: what is followed now, and names of vehicles by their number. */
export type PositionsFrame =
  | { type: "following"; datasets: string[]; refused: Record<string, Text> }
  | { type: "vehicles"; dataset: string; first: number; names: string[] };

function ofPositions(frame: unknown): frame is PositionsFrame {
  const type = (frame as { type?: unknown } | null)?.type;
  return type === "following" || type === "vehicles";
}

export interface Link {
  close(): void;
  /** Says something to the city; false when there is no link just now. */
  say(message: unknown): boolean;
}

const LOGGED_OUT = 4401;
/** The city says its time once a second. */
const SILENCE_MS = 8_000;
const LONGEST_WAIT_MS = 5_000;

/** Keeps the link up until `close()`; one that says nothing for a while counts as lost and is made anew. */
export function openLink(origin: string, listener: Listener): Link {
  let place: Place = { last: null };
  let socket: WebSocket | null = null;
  let failures = 0;
  let opened = false;
  let closed = false;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  /** The link is given up at once: the browser may wait a minute for the end of one whose network is gone. */
  const giveUp = (link: WebSocket, lost: boolean) => {
    if (closed || socket !== link) return;
    socket = null;
    clearTimeout(silence);
    link.close();
    failures += 1;
    if (lost) listener.state("lost");
    clearTimeout(retry);
    retry = setTimeout(connect, Math.min(LONGEST_WAIT_MS, 250 * 2 ** failures));
  };
  const listen = (link: WebSocket) => {
    clearTimeout(silence);
    silence = setTimeout(() => giveUp(link, true), SILENCE_MS);
  };
  const connect = () => {
    clearTimeout(retry);
    const link = new WebSocket(address(origin, place));
    socket = link;
    link.binaryType = "arraybuffer";
    listen(link);
    link.onopen = () => {
      if (socket !== link) return;
      failures = 0;
      listener.state("open");
      listener.fresh(opened);
      opened = true;
      listen(link);
    };
    link.onmessage = (message) => {
      if (socket !== link) return;
      listen(link);
      if (message.data instanceof ArrayBuffer) listener.positions(message.data);
      if (typeof message.data !== "string") return;
      let frame: unknown;
      try {
        frame = JSON.parse(message.data);
      } catch {
        return;
      }
      if (ofPositions(frame)) listener.positions(frame);
      const taken = take(place, frame);
      place = taken.place;
      if (taken.event) listener.event(taken.event);
      if (taken.clock) listener.clock(taken.clock);
    };
    link.onclose = ({ code }) => {
      if (closed || socket !== link) return;
      if (code === LOGGED_OUT) listener.loggedOut();
      // The city itself ends links, to make them anew under other rights: only one that does not come back is lost.
      giveUp(link, failures > 0);
    };
  };
  const offline = () => socket !== null && giveUp(socket, true);
  const online = () => socket === null && !closed && connect();
  window.addEventListener("offline", offline);
  window.addEventListener("online", online);

  listener.state("connecting");
  connect();
  return {
    close() {
      closed = true;
      window.removeEventListener("offline", offline);
      window.removeEventListener("online", online);
      clearTimeout(silence);
      clearTimeout(retry);
      socket?.close();
    },
    say(message) {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(message));
      return true;
    },
  };
}
