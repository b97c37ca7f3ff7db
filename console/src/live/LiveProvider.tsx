/** Holds the one live link while somebody is logged in, and lets any part read the city's clock. */

import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { type Link, type LinkState, openLink, type PositionsFrame, touched } from "../api/live";
import { heavy } from "../api/queries";
import type { City, CityEvent } from "../api/types";

/** Events come in bursts; answers are refreshed at most once in this time. */
const GATHER_MS = 800;
/** Except those that somebody waits for: they are refreshed at once, and then at most once in this time. */
const URGENT_MS = 400;
const URGENT: ReadonlySet<string> = new Set(["alerts", "alert"]);

/** Answers that no event changes. */
const LASTING = new Set(["session", "city", "declared", "departments", "dataset names"]);

interface ClockReading {
  /** The city's time in milliseconds since 1970. */
  now: number;
  playing: boolean;
}

class Store<T> {
  private listeners = new Set<() => void>();
  constructor(private value: T) {}
  get = () => this.value;
  set(value: T) {
    this.value = value;
    for (const listener of this.listeners) listener();
  }
  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
}

/** Positions of vehicles, for whoever follows them; read where they are drawn. */
export class Positions {
  private link: Link | null = null;
  private listeners = new Set<(frame: ArrayBuffer | PositionsFrame | null) => void>();

  /** Hears every frame; null when a new link came up and what one follows must be said again. */
  hear(listener: (frame: ArrayBuffer | PositionsFrame | null) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  say(message: unknown): boolean {
    return this.link?.say(message) ?? false;
  }

  tell(frame: ArrayBuffer | PositionsFrame | null): void {
    for (const listener of this.listeners) listener(frame);
  }

  through(link: Link | null): void {
    this.link = link;
  }
}

interface Live {
  positions: Positions;
  clock: Store<ClockReading>;
  state: LinkState;
  /** How often the link has come back after it was gone. */
  returns: number;
  /** The newest alert event, for what is read aloud. */
  heard: CityEvent | null;
}

const LiveContext = createContext<Live | null>(null);

export function LiveProvider({ city, children }: { city: City; children: ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<LinkState>("connecting");
  const [returns, setReturns] = useState(0);
  const [heard, setHeard] = useState<CityEvent | null>(null);
  const positions = useMemo(() => new Positions(), []);
  const [clock] = useState(() => new Store<ClockReading>({ now: Date.parse(city.now), playing: city.clock.playing }));

  useEffect(() => {
    const stale = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let hurry: ReturnType<typeof setTimeout> | undefined;
    let hurried = Number.NEGATIVE_INFINITY;
    const urgent = () => {
      hurry = undefined;
      hurried = performance.now();
      void client.invalidateQueries({ predicate: ({ queryKey }) => URGENT.has(String(queryKey[0])) });
    };
    const flush = () => {
      timer = undefined;
      const keys = new Set(stale);
      stale.clear();
      void client.invalidateQueries({
        predicate: ({ queryKey, state }) => keys.has(String(queryKey[0])) && !heavy(state.data),
      });
    };
    const link = openLink(window.location.origin, {
      state: (now) => {
        setState(now);
        if (now === "open") positions.tell(null);
      },
      positions: (frame) => positions.tell(frame),
      loggedOut: () => void client.invalidateQueries({ queryKey: ["session"] }),
      fresh: (again) => {
        if (again) setReturns((before) => before + 1);
        void client.invalidateQueries({
          predicate: ({ queryKey, state }) => !LASTING.has(String(queryKey[0])) || state.status === "error",
        });
      },
      event: (event) => {
        const alert = event.type.startsWith("alert.");
        if (alert) setHeard(event);
        if (alert) hurry ??= setTimeout(urgent, Math.max(0, hurried + URGENT_MS - performance.now()));
        for (const key of touched(event.type)) if (!alert || !URGENT.has(key)) stale.add(key);
        if (stale.size > 0 && timer === undefined) timer = setTimeout(flush, GATHER_MS);
      },
      clock: ({ now, playing }) => clock.set({ now: Date.parse(now), playing }),
    });
    positions.through(link);
    return () => {
      clearTimeout(timer);
      clearTimeout(hurry);
      positions.through(null);
      link.close();
    };
  }, [client, clock, positions]);

  const live = useMemo(() => ({ clock, state, returns, heard, positions }), [clock, state, returns, heard, positions]);
  return <LiveContext value={live}>{children}</LiveContext>;
}

function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === null) throw new Error("useLive outside LiveProvider");
  return live;
}

export const useLinkState = () => useLive().state;
export const useReturns = () => useLive().returns;
export const useHeard = () => useLive().heard;
export const usePositions = () => useLive().positions;

/** The city's clock; re-renders its reader once a second. */
export function useClock(): ClockReading {
  const { clock } = useLive();
  return useSyncExternalStore(clock.subscribe, clock.get);
}

/** The city's time in ms. */
export const useNow = () => useClock().now;
