/** What is being written: its text, whether it is saved, what the check says of it, and a copy against loss. */

import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { Problem } from "../api/client";
import { check, saveDraft } from "./queries";
import type { Checked, DraftDetail } from "./types";

/** How long nobody types before the city is asked. */
const PAUSE_MS = 700;

export interface Work {
  source: string;
  dirty: boolean;
  checked: Checked | null;
  checking: boolean;
  saving: boolean;
  /** Somebody else saved meanwhile. */
  conflict: boolean;
  error: unknown;
  /** Work of an earlier visit that was never saved. */
  left: string | null;
  edit(source: string): void;
  save(): Promise<boolean>;
  /** Goes on with the text of the city, which somebody else saved. */
  takeTheirs(): Promise<void>;
  /** Saves over what somebody else saved. */
  keepMine(): Promise<boolean>;
  takeLeft(): void;
  dropLeft(): void;
}

const nameOf = (id: string) => `cityheart.draft.${id}`;

function kept(id: string): string | null {
  try {
    return localStorage.getItem(nameOf(id));
  } catch {
    return null;
  }
}

function keep(id: string, text: string | null): void {
  try {
    if (text === null) localStorage.removeItem(nameOf(id));
    else localStorage.setItem(nameOf(id), text);
  } catch {
    // Full or forbidden: there is no copy, and leaving is asked about all the same.
  }
}

/** `read` gives the newest text when it is not in `source` yet (a drawing is written out only when it is asked for). */
export function useDraftText(draft: DraftDetail, locked: boolean, read?: () => Promise<string>): Work {
  const client = useQueryClient();
  const [source, setSource] = useState(draft.source);
  const [saved, setSaved] = useState(draft.source);
  const [revision, setRevision] = useState(draft.revision);
  const [checked, setChecked] = useState<Checked | null>(null);
  const [checking, setChecking] = useState(false);
  const [saving, setSaving] = useState(false);
  const [conflict, setConflict] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [left, setLeft] = useState(() => {
    const text = kept(draft.id);
    return text !== null && text !== draft.source && !locked ? text : null;
  });
  const dirty = source !== saved;
  const asked = useRef(0);
  const newest = useRef(source);
  newest.current = source;

  // What stands here is kept in the browser until the city has it.
  useEffect(() => {
    if (dirty) keep(draft.id, source);
  }, [dirty, source, draft.id]);

  useEffect(() => {
    const number = ++asked.current;
    const timer = setTimeout(() => {
      setChecking(true);
      check(draft.kind, source)
        .then((answer) => {
          if (number === asked.current) setChecked(answer);
        })
        .catch((cause: unknown) => {
          if (number === asked.current) setError(cause);
        })
        .finally(() => {
          if (number === asked.current) setChecking(false);
        });
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [source, draft.kind]);

  useEffect(() => {
    if (!dirty) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [dirty]);

  const put = useCallback(
    async (over: number): Promise<boolean> => {
      setSaving(true);
      setError(null);
      try {
        const text = read === undefined ? source : await read();
        const answer = await saveDraft(draft.id, text, over);
        // What was typed meanwhile stays, and is not saved yet.
        setSource((now) => (now === source ? text : now));
        setSaved(text);
        setRevision(answer.revision);
        setConflict(false);
        if (newest.current === source || newest.current === text) keep(draft.id, null);
        client.setQueryData(["drafts", "one", draft.id], { ...answer, source: text });
        void client.invalidateQueries({ queryKey: ["drafts"], exact: true });
        void client.invalidateQueries({ queryKey: ["drafts", "revisions", draft.id] });
        return true;
      } catch (cause) {
        if (cause instanceof Problem && cause.status === 409) setConflict(true);
        setError(cause);
        return false;
      } finally {
        setSaving(false);
      }
    },
    [client, draft.id, read, source],
  );

  const theirs = async () => {
    await client.invalidateQueries({ queryKey: ["drafts", "one", draft.id] });
    return client.getQueryData<DraftDetail>(["drafts", "one", draft.id]);
  };

  return {
    source,
    dirty,
    checked,
    checking,
    saving,
    conflict,
    error,
    left,
    edit: setSource,
    save: () => put(revision),
    takeTheirs: async () => {
      const fresh = await theirs();
      if (fresh === undefined) return;
      keep(draft.id, null);
      setSource(fresh.source);
      setSaved(fresh.source);
      setRevision(fresh.revision);
      setConflict(false);
      setError(null);
    },
    keepMine: async () => {
      const fresh = await theirs();
      return fresh === undefined ? false : put(fresh.revision);
    },
    takeLeft: () => {
      if (left !== null) setSource(left);
      setLeft(null);
    },
    dropLeft: () => {
      keep(draft.id, null);
      setLeft(null);
    },
  };
}

/** Asks before a link of the page leaves unsaved work behind. */
export function useLeaving(dirty: boolean, question: string) {
  useEffect(() => {
    if (!dirty) return;
    const stop = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
      if (link === null || event.ctrlKey || event.metaKey || link.getAttribute("target") === "_blank") return;
      if (!window.confirm(question)) {
        event.preventDefault();
        event.stopPropagation();
      }
    };
    document.addEventListener("click", stop, true);
    return () => document.removeEventListener("click", stop, true);
  }, [dirty, question]);
}
