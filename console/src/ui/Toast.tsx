/** Short answers to what a person did, seen in the corner and read aloud. */

import { createContext, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from "react";
import { Problem } from "../api/client";
import { useWords } from "../i18n";

interface Message {
  tone: "good" | "bad";
  text: string;
  more: string | null;
}

interface Tell {
  done(text: string): void;
  failed(error: unknown): void;
}

const TellContext = createContext<Tell | null>(null);
const SHOWN_MS = { good: 5_000, bad: 12_000 };

export function ToastProvider({ children }: { children: ReactNode }) {
  const { t } = useWords();
  const [message, setMessage] = useState<Message | null>(null);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (message === null) return;
    // A popover, for a sheet that is open would cover anything else.
    const shown = box.current;
    shown?.showPopover();
    const timer = setTimeout(() => setMessage(null), SHOWN_MS[message.tone]);
    return () => {
      clearTimeout(timer);
      shown?.hidePopover();
    };
  }, [message]);
  const done = useCallback((text: string) => setMessage({ tone: "good", text, more: null }), []);
  const failed = useCallback(
    (error: unknown) => {
      const problem = error instanceof Problem ? error : null;
      const text = problem === null ? String(error) : problem.status === 0 ? t("state.unreachable") : problem.detail;
      setMessage({ tone: "bad", text, more: problem?.remedy ?? null });
    },
    [t],
  );
  return (
    <TellContext value={{ done, failed }}>
      {children}
      <div ref={box} popover="manual" className="toast" data-tone={message?.tone} role="status" aria-live="polite">
        <span>{message?.text}</span>
        {message?.more && <span className="quiet">{message.more}</span>}
      </div>
    </TellContext>
  );
}

export function useTell(): Tell {
  const tell = useContext(TellContext);
  if (tell === null) throw new Error("useTell outside ToastProvider");
  return tell;
}
