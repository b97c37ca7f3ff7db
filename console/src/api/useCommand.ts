/** Sending a command once: the same intent keeps its id over double clicks and retries, another intent gets a new one. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { commandId, post } from "./client";

export interface Intent {
  path: string;
  body?: Record<string, unknown>;
}

/** Where the id of a command waits for its answer; see kept.ts. */
export interface Shelf {
  take(): { key: string; id: string } | null;
  put(current: { key: string; id: string } | null): void;
}

/** The id of an intent: kept while path and body stay the same and the command has not succeeded. */
export class CommandIds {
  private current: { key: string; id: string } | null = null;

  /**
   * With `fixed`, every intent has that id: the city then refuses a second, different one. With a `shelf` the id of what
   * was sent and not answered is found again after a reload.
   */
  constructor(
    private readonly fixed: string | null = null,
    private readonly shelf: Shelf | null = null,
  ) {
    this.current = shelf?.take() ?? null;
  }

  of({ path, body }: Intent): string {
    if (this.fixed !== null) return this.fixed;
    const key = JSON.stringify([path, body ?? {}]);
    if (this.current?.key !== key) {
      this.current = { key, id: commandId() };
      this.shelf?.put(this.current);
    }
    return this.current.id;
  }

  /** The command was done; the same intent later is a new one. */
  done(): void {
    this.current = null;
    this.shelf?.put(null);
  }
}

export function useCommand<T>(
  options: { id?: string; shelf?: Shelf; done?: (answer: T) => void; failed?: (error: unknown) => void } = {},
) {
  const client = useQueryClient();
  const ids = useRef<CommandIds | null>(null);
  ids.current ??= new CommandIds(options.id, options.shelf);
  const { current } = ids;
  return useMutation({
    mutationFn: (intent: Intent) => post<T>(intent.path, { ...intent.body, command_id: current.of(intent) }),
    onSuccess: (answer) => {
      current.done();
      void client.invalidateQueries({
        predicate: ({ queryKey }) => !["session", "declared"].includes(String(queryKey[0])),
      });
      options.done?.(answer);
    },
    onError: (error) => options.failed?.(error),
  });
}
