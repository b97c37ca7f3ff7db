/** Sending a command once: the same intent keeps its id over double clicks and retries, another intent gets a new one. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { commandId, post } from "./client";

export interface Intent {
  path: string;
  body?: Record<string, unknown>;
}

/** The id of an intent: kept while path and body stay the same and the command has not succeeded. */
export class CommandIds {
  private current: { key: string; id: string } | null = null;

  /** With `fixed`, every intent has that id: the city then refuses a second, different one. */
  constructor(private readonly fixed: string | null = null) {}

  of({ path, body }: Intent): string {
    if (this.fixed !== null) return this.fixed;
    const key = JSON.stringify([path, body ?? {}]);
    if (this.current?.key !== key) this.current = { key, id: commandId() };
    return this.current.id;
  }

  /** The command was done; the same intent later is a new one. */
  done(): void {
    this.current = null;
  }
}

export function useCommand<T>(
  options: { id?: string; done?: (answer: T) => void; failed?: (error: unknown) => void } = {},
) {
  const client = useQueryClient();
  const ids = useRef(new CommandIds(options.id));
  return useMutation({
    mutationFn: (intent: Intent) => post<T>(intent.path, { ...intent.body, command_id: ids.current.of(intent) }),
    onSuccess: (answer) => {
      ids.current.done();
      void client.invalidateQueries({
        predicate: ({ queryKey }) => !["session", "declared"].includes(String(queryKey[0])),
      });
      options.done?.(answer);
    },
    onError: (error) => options.failed?.(error),
  });
}
