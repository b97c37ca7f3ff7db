/** A decision that asks for its reason: what it means, why, and one button. */

import { Button, Textarea } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Sheet } from "../ui/Sheet";
import { Failure } from "../ui/states";
import { useMatterWords } from "./words";

export function ReasonSheet({
  title,
  meaning,
  confirm,
  testid,
  busy,
  error,
  send,
  close,
  children,
}: {
  title: string;
  meaning: string;
  confirm: string;
  testid: string;
  busy: boolean;
  error: unknown;
  send: (reason: string) => void;
  close: () => void;
  children?: ReactNode;
}) {
  const { m, t } = useMatterWords();
  const [reason, setReason] = useState("");
  const words = useRef<HTMLTextAreaElement>(null);
  useEffect(() => words.current?.focus(), []);
  return (
    <Sheet close={close} title={title}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy && reason.trim() !== "") send(reason.trim());
        }}
      >
        <span>{meaning}</span>
        {children}
        <Textarea
          label={m("reason")}
          required
          ref={words}
          autosize
          minRows={2}
          data-testid={`${testid}-reason`}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {error !== null && error !== undefined && <Failure error={error} />}
        <div className="line sheet-actions">
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={busy} data-testid={`${testid}-confirm`}>
            {confirm}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
