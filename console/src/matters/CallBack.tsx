/** After a matter is done residents are called back; what they say stays with the department's work. */

import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import { useCommand } from "../api/useCommand";
import { Failure, Panel } from "../ui/states";
import { useTell } from "../ui/Toast";
import type { MatterDetail } from "./types";
import { useMatterWords } from "./words";

const ANSWERS = [
  ["yes", true, "call.satisfied"],
  ["no", false, "call.not"],
  ["none", null, "call.noAnswer"],
] as const;

export function CallBack({ matter }: { matter: MatterDetail }) {
  const { m } = useMatterWords();
  const tell = useTell();
  const [answer, setAnswer] = useState<(typeof ANSWERS)[number][0]>("yes");
  const [note, setNote] = useState("");
  const send = useCommand<unknown>({
    done: () => {
      tell.done(m("call.done"));
      setNote("");
    },
  });
  return (
    <Panel title={m("call.title")}>
      <form
        className="body stack"
        onSubmit={(event) => {
          event.preventDefault();
          const satisfied = ANSWERS.find(([code]) => code === answer)?.[1] ?? null;
          if (!send.isPending)
            send.mutate({
              path: `/api/matters/${encodeURIComponent(matter.id)}/evaluation`,
              body: { satisfied, note: note.trim() },
            });
        }}
      >
        <span className="quiet">{m("call.meaning")}</span>
        <fieldset className="choice">
          <legend className="unseen">{m("call.title")}</legend>
          {ANSWERS.map(([code, , key]) => (
            <label key={code}>
              <input type="radio" name="answer" checked={answer === code} onChange={() => setAnswer(code)} />
              {m(key)}
            </label>
          ))}
        </fieldset>
        <Textarea
          label={m("call.note")}
          autosize
          minRows={2}
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        {send.error !== null && <Failure error={send.error} />}
        <Button type="submit" variant="default" loading={send.isPending} data-testid="call-confirm">
          {m("call.confirm")}
        </Button>
      </form>
    </Panel>
  );
}
