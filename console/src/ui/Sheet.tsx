/** A sheet over the page: in the middle for a decision, at the side for one object. The browser's own dialog. */

import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { useWords } from "../i18n";
import { CloseIcon } from "./icons";

export function Sheet({
  title,
  close,
  at = "middle",
  children,
}: {
  title: ReactNode;
  close: () => void;
  at?: "middle" | "side";
  children: ReactNode;
}) {
  const { t } = useWords();
  const box = useRef<HTMLDialogElement>(null);
  const name = useId();
  useLayoutEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    // A press on the backdrop arrives at the dialog itself; by keyboard Escape does the same.
    // biome-ignore lint/a11y/useKeyWithClickEvents: see above
    <dialog
      ref={box}
      className="sheet"
      data-at={at}
      aria-labelledby={name}
      onCancel={close}
      onClick={(event) => {
        if (event.target === event.currentTarget) close();
      }}
    >
      <div className="inside">
        <header>
          <h2 id={name}>{title}</h2>
          <button type="button" className="plain" aria-label={t("close")} onClick={close}>
            <CloseIcon />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
