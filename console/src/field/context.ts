import { createContext, useContext } from "react";
import type { Shown, Sync } from "./sync";

export interface FieldState {
  sync: Sync;
  shown: Shown;
  /** The city's time, in ms. */
  now: number;
  zone: string;
}

export const FieldContext = createContext<FieldState | null>(null);

export function useField(): FieldState {
  const state = useContext(FieldContext);
  if (state === null) throw new Error("useField outside the field page");
  return state;
}
