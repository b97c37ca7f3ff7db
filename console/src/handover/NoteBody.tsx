/** A signed note whole: names, words, pins, what stood, what was added later; and whether it still is what was signed. */

import { Button, Textarea } from "@mantine/core";
import type { FormEvent } from "react";
import { Link } from "wouter";
import { commandShelf, useKept } from "../api/kept";
import { useMay } from "../api/queries";
import { useCommand } from "../api/useCommand";
import { CheckIcon, WarningIcon } from "../ui/icons";
import { Failure, Panel } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import type { Note, Signature } from "./queries";
import { StandingView } from "./StandingView";
import { useHandoverWords } from "./words";

export function NoteBody({ note }: { note: Note }) {
  const { h, say } = useHandoverWords();
  return (
    <div className="columns" data-testid="handover-note" data-state={note.state}>
      <div className="stack" style={{ gap: 16 }}>
        <Panel title={h("note")} aside={<Verified note={note} />}>
          <div className="body stack">
            <dl className="pairs">
              <Signed label={h("signed")} by={note.signed} rostered={note.shift !== null} />
              {note.state === "taken" && <Signed label={h("taken")} by={note.taken} rostered={note.shift !== null} />}
            </dl>
            {note.signed === null && note.reason && (
              <p className="late">{h("unsigned.why", { reason: note.reason })}</p>
            )}
            {note.words ? <p className="note-words">{note.words}</p> : <span className="quiet">{h("note.none")}</span>}
            {note.pins.length > 0 && <h3 style={{ fontSize: 14, margin: 0 }}>{h("pins")}</h3>}
            <ul className="lines">
              {note.pins.map((pin) => (
                <li key={`${pin.kind} ${pin.id}`}>
                  <span>
                    <Link href={`/${pin.kind}s/${pin.id}`}>{say(pin.title) || pin.id}</Link>
                    {pin.note && <> · {pin.note}</>}
                  </span>
                </li>
              ))}
            </ul>
          </div>
        </Panel>
        <Additions note={note} />
      </div>
      {note.standing && Object.keys(note.standing).length > 0 && (
        <Panel
          title={h("stood")}
          aside={
            <span className="quiet">
              {h("stands.asOf")} <Moment at={note.standing.at} shape="short" />
            </span>
          }
        >
          <div className="body">
            <StandingView standing={note.standing} />
          </div>
        </Panel>
      )}
    </div>
  );
}

function Signed({ label, by, rostered }: { label: string; by: Signature | null; rostered: boolean }) {
  const { h, say } = useHandoverWords();
  return (
    <>
      <dt>{label}</dt>
      <dd>
        {by === null ? (
          <span className="late">{h("unsigned")}</span>
        ) : (
          <>
            <strong>{say(by.name)}</strong> · <Moment at={by.at} />{" "}
            {rostered && !by.on_roster && <span className="tag">{h("offRoster")}</span>}
          </>
        )}
      </dd>
    </>
  );
}

function Verified({ note }: { note: Note }) {
  const { h } = useHandoverWords();
  if (note.verified === null) return null;
  return note.verified ? (
    <span
      className="status"
      data-tone="good"
      data-testid="handover-verified"
      title={h("verified.why", { digest: note.sha256 ?? "" })}
    >
      <CheckIcon />
      {h("verified")} <span className="mono">{note.sha256?.slice(0, 12)}</span>
    </span>
  ) : (
    <span className="status" data-tone="late" role="alert">
      <WarningIcon />
      {h("broken")}
    </span>
  );
}

function Additions({ note }: { note: Note }) {
  const { h, say } = useHandoverWords();
  const tell = useTell();
  const may = useMay("handover.write");
  const words = useKept(`handover.add.${note.id}`, "");
  const add = useCommand<unknown>({
    shelf: commandShelf(`handover.add.${note.id}`),
    done: () => {
      words.forget();
      tell.done(h("add.done"));
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!add.isPending && words.value.trim() !== "")
      add.mutate({
        path: `/api/handovers/${encodeURIComponent(note.id)}/additions`,
        body: { words: words.value.trim() },
      });
  };
  if (!may && note.additions.length === 0) return null;
  return (
    <Panel title={h("additions")}>
      <div className="body stack">
        {note.additions.map((one) => (
          <div key={one.n} className="addition" data-testid="handover-addition">
            <span className="quiet">
              {say(one.by.name)} · <Moment at={one.at} />
            </span>
            <p className="note-words">{one.words}</p>
          </div>
        ))}
        {may && (
          <form className="stack no-print" onSubmit={submit}>
            <Textarea
              label={h("add.words")}
              autosize
              minRows={2}
              data-testid="handover-add-words"
              value={words.value}
              onChange={(event) => words.set(event.currentTarget.value)}
            />
            {add.error !== null && <Failure error={add.error} />}
            <div className="line" style={{ justifyContent: "flex-end" }}>
              <Button
                type="submit"
                variant="default"
                disabled={words.value.trim() === ""}
                loading={add.isPending}
                data-testid="handover-add"
              >
                {h("add")}
              </Button>
            </div>
          </form>
        )}
      </div>
    </Panel>
  );
}
