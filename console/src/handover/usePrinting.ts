/** Printing a sheet that is drawn only for it: by the button when everything is there, or by the browser's own command. */

import { useCallback, useEffect, useState } from "react";
import { flushSync } from "react-dom";

export interface Printing {
  /** Whether the sheet is to be drawn. */
  shown: boolean;
  preparing: boolean;
  print(): void;
  /** The sheet is drawn, its pictures too. */
  ready(sheet: HTMLElement): void;
}

export function usePrinting(settled: boolean): Printing {
  const [asked, setAsked] = useState(false);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const before = () => flushSync(() => setShown(true));
    const after = () => {
      setShown(false);
      setAsked(false);
    };
    window.addEventListener("beforeprint", before);
    window.addEventListener("afterprint", after);
    return () => {
      window.removeEventListener("beforeprint", before);
      window.removeEventListener("afterprint", after);
    };
  }, []);
  useEffect(() => {
    if (asked && settled) setShown(true);
  }, [asked, settled]);
  const ready = useCallback(
    (sheet: HTMLElement) => {
      if (!asked) return;
      const pictures = [...sheet.querySelectorAll("img")].map((one) => one.decode().catch(() => undefined));
      void Promise.all(pictures).then(() => {
        setAsked(false);
        window.print();
      });
    },
    [asked],
  );
  return { shown, preparing: asked, print: () => setAsked(true), ready };
}
