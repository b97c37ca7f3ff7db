/** Who needs no mouse: panels turn by themselves, stop for the space bar, and fill whatever room a list has. */

import { useReducedMotion } from "@mantine/hooks";
import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";

const USUAL_S = 20;
const LEAST_S = 2;
const MOST_S = 600;

/** Seconds from one turn to the next, out of the address. */
export function everyOf(text: string | null): number {
  const seconds = text === null || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(seconds) ? Math.min(MOST_S, Math.max(LEAST_S, Math.round(seconds))) : USUAL_S;
}

/** The part of a list that a turn shows, and which of how many parts it is. Counts backwards, too. */
export function pageOf<T>(all: readonly T[], room: number, turn: number): { shown: T[]; n: number; total: number } {
  const size = Math.max(1, room);
  const total = Math.max(1, Math.ceil(all.length / size));
  const n = ((turn % total) + total) % total;
  return { shown: all.slice(n * size, n * size + size), n, total };
}

export interface Turning {
  turn: number;
  paused: boolean;
  /** The reader asked for less motion: nothing turns by itself. */
  still: boolean;
  pause: () => void;
}

export function useTurning(every: number): Turning {
  const still = useReducedMotion(false, { getInitialValueInEffect: false });
  const [turn, setTurn] = useState(0);
  const [paused, setPaused] = useState(false);
  useEffect(() => {
    if (paused || still) return;
    const timer = setInterval(() => setTurn((before) => before + 1), every * 1000);
    return () => clearInterval(timer);
  }, [every, paused, still]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const { target, key } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      // a button that has the focus is pressed by the space bar itself
      if (target instanceof HTMLElement && target.closest("button, a, input, select, canvas")) return;
      if (key === " ") setPaused((before) => !before);
      else if (key === "ArrowRight") setTurn((before) => before + 1);
      else if (key === "ArrowLeft") setTurn((before) => before - 1);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
  return { turn, paused, still, pause: () => setPaused((before) => !before) };
}

/** How many rows of `row` times the size of the letters find room in an element. */
export function useRoom<T extends HTMLElement>(row: number, before = 4): [RefObject<T | null>, number] {
  const box = useRef<T>(null);
  const [room, setRoom] = useState(before);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () => {
      const letter = Number.parseFloat(getComputedStyle(element).fontSize) || 16;
      // what is not displayed has no height; it keeps the room it had
      if (element.clientHeight > 0) setRoom(Math.max(1, Math.floor((element.clientHeight + 1) / (row * letter))));
    };
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [row]);
  return [box, room];
}

/** The browser's time in ms, renewed every few seconds: the city's clock stands still without a link. */
export function useBrowserTime(): number {
  const [at, setAt] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setAt(Date.now()), 5_000);
    return () => clearInterval(timer);
  }, []);
  return at;
}
