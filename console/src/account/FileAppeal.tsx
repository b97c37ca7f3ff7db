/** A department appeals against one task in one rate. */

import { Button, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useCommand } from "../api/useCommand";
import { Sheet } from "../ui/Sheet";
import { Failure } from "../ui/states";
import { useTell } from "../ui/Toast";
import { daysOf } from "./lengths";
import { useFormulas } from "./queries";
import type { Counted } from "./types";
import { useAccountWords } from "./words";

const LONGEST = 10_000;

export function FileAppeal({ task, rate, close }: { task: Counted; rate: string; close: () => void }) {
  const { a, t, say, rate: rateName } = useAccountWords();
  const tell = useTell();
  const [reason, setReason] = useState("");
  const [evidence, setEvidence] = useState("");
  // The city says when it is too late; what is shown is the newest rule for departments that handle tasks.
  const rule = useFormulas().data?.findLast((one) => one.adopted && one.of === "handling");
  const command = useCommand({
    done: () => {
      tell.done(a("appeal.sent"));
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    command.mutate({
      path: "/api/appeals",
      body: { task: task.task, rate, reason: reason.trim(), evidence: evidence.trim() },
    });
  };
  return (
    <Sheet title={a("appeal.fileTitle")} close={close}>
      <form className="stack" onSubmit={submit} data-testid="appeal-form">
        <span>{a("appeal.about", { task: say(task.step_title), rate: rateName(rate) })}</span>
        <span className="quiet">
          {a("appeal.rules", { days: (rule && daysOf(rule.appeal_within)) ?? rule?.appeal_within ?? "—" })}
        </span>
        <Textarea
          label={a("appeals.reason")}
          required
          autosize
          minRows={3}
          maxLength={LONGEST}
          data-testid="appeal-reason"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <TextInput
          label={a("appeals.evidence")}
          description={a("appeal.evidenceHint")}
          maxLength={LONGEST}
          data-testid="appeal-evidence"
          value={evidence}
          onChange={(event) => setEvidence(event.currentTarget.value)}
        />
        {command.error !== null && <Failure error={command.error} />}
        <div className="line sheet-actions">
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={command.isPending} disabled={reason.trim() === ""} data-testid="appeal-send">
            {a("appeal.send")}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
