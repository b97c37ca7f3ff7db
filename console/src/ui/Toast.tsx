/** Short answers to what a person did, seen in the corner and read aloud. */

import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import { useWords } from "../i18n";
import { told } from "./refusal";

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
  const words = useWords();
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
      if (typeof error === "string") return setMessage({ tone: "bad", text: error, more: null });
      const { title, detail, remedy } = told(error, words);
      setMessage({ tone: "bad", text: detail ?? title, more: remedy });
    },
    [words],
  );
  const tell = useMemo(() => ({ done, failed }), [done, failed]);
  return (
    <TellContext value={tell}>
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
