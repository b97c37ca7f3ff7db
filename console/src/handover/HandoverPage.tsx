/** Handing over now: what stands, what the person who leaves says of it, two names under it. */

import { Button, NativeSelect, Textarea } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { Problem } from "../api/client";
import { commandShelf, useKept } from "../api/kept";
import { useMay, useSession } from "../api/queries";
import { useCommand } from "../api/useCommand";
import { useNow } from "../live/LiveProvider";
import { cityTime } from "../time/format";
import { Failure, Panel, Shown } from "../ui/states";
import { Moment, useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { NoteBody } from "./NoteBody";
import { type Note, type Pin, type Present, usePresent } from "./queries";
import { StandingView } from "./StandingView";
import { DutyTabs } from "./Tabs";
import { useHandoverWords } from "./words";
import "./handover.css";

/** Whoever signs so long before the end of the shift is asked whether it is meant. */
const EARLY_MS = 3_600_000;

export default function HandoverPage() {
  const { h } = useHandoverWords();
  const [params, setParams] = useSearchParams();
  const unit = params.get("unit");
  const present = usePresent(unit, params.get("shift"), params.get("day"));
  return (
    <div className="page handover">
      <DutyTabs at="now" />
      <h1 style={{ fontSize: 20, margin: 0 }}>{h("title")}</h1>
      <Shown of={present} lines={10}>
        {(found) => (
          <>
            <Head present={found} choose={(code) => setParams({ unit: code })} />
            <Waiting present={found} />
            {found.note && found.note.state !== "draft" ? (
              <Signed present={found} note={found.note} />
            ) : (
              <Draft
                key={`${found.unit} ${found.note?.id ?? found.watch?.shift} ${found.watch?.day}`}
                present={found}
              />
            )}
          </>
        )}
      </Shown>
    </div>
  );
}

function Head({ present, choose }: { present: Present; choose: (unit: string) => void }) {
  const { h, t, say } = useHandoverWords();
  const zone = useZone();
  const { watch, next, units } = present;
  const known = units.some(({ code }) => code === present.unit)
    ? units
    : [{ code: present.unit, title: present.title }, ...units];
  return (
    <Panel>
      <div className="body handover-head">
        <NativeSelect
          label={h("for")}
          data-testid="handover-unit"
          value={present.unit}
          data={known.map(({ code, title }) => ({ value: code, label: say(title) }))}
          onChange={({ currentTarget: { value } }) => choose(value)}
        />
        <dl className="pairs">
          <dt>{h("period")}</dt>
          <dd>
            {watch ? (
              <>
                {say(watch.title)} <Moment at={watch.from} shape="short" /> – <Moment at={watch.to} shape="short" /> ·{" "}
                {watch.people.map(({ name }) => say(name)).join(t("listComma"))}{" "}
                <span className="tag">{h(watch.over ? "over" : "now")}</span>
              </>
            ) : (
              <time dateTime={present.since}>{h("since", { at: cityTime(present.since, zone, "short") })}</time>
            )}
          </dd>
          {watch && (
            <>
              <dt>{h("next")}</dt>
              <dd>
                {present.next ? (
                  <>
                    {say(present.next.title)} <Moment at={next?.from ?? null} shape="short" /> ·{" "}
                    {present.next.people.map(({ name }) => say(name)).join(t("listComma"))}
                  </>
                ) : (
                  <span className="late">{h("nobody")}</span>
                )}
              </dd>
            </>
          )}
        </dl>
      </div>
      {watch === null && (
        <p className="body quiet" data-testid="handover-no-roster">
          {h("noRoster")} <Link href="/duty">{h("rosterHow")}</Link>
        </p>
      )}
    </Panel>
  );
}

/** Shifts that are over and were not handed over whole, other than the one that is open. */
function Waiting({ present }: { present: Present }) {
  const { h, t, say } = useHandoverWords();
  const others = present.open.filter(
    ({ shift, day, over, state }) =>
      (over || state === "signed") && !(shift === present.watch?.shift && day === present.watch?.day),
  );
  if (others.length === 0) return null;
  return (
    <Panel title={h("waiting")}>
      <ul className="body lines" data-testid="handover-waiting">
        {others.map((one) => (
          <li key={`${one.shift} ${one.day}`}>
            <span>
              {say(one.title)} <Moment at={one.from} shape="short" /> – <Moment at={one.to} shape="short" /> ·{" "}
              {one.people.map(({ name }) => say(name)).join(t("listComma"))}{" "}
              <span className="tag" data-tone={one.state === "signed" ? "accent" : "late"}>
                {h(`state.${one.state}`)}
              </span>
            </span>
            <Link href={`/handover?${new URLSearchParams({ unit: present.unit, shift: one.shift, day: one.day })}`}>
              {h("open")}
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** A note as it is being written. */
function Draft({ present }: { present: Present }) {
  const { h, t, say } = useHandoverWords();
  const tell = useTell();
  const client = useQueryClient();
  const { note, watch } = present;
  const name = `handover.${present.unit}.${watch ? `${watch.shift}.${watch.day}` : "none"}`;
  const [stored] = useState(() => ({ words: note?.words ?? "", pins: note?.pins ?? [] }));
  const kept = useKept<{ words: string; pins: Pin[]; revision: number } | null>(name, null);
  const written = kept.value ?? { words: note?.words ?? stored.words, pins: note?.pins ?? stored.pins, revision: 0 };
  const revision = kept.value?.revision ?? note?.revision ?? 0;
  const changed = kept.value !== null;
  const mine = useMay("handover.write") && present.may_write;
  const change = (set: Partial<{ words: string; pins: Pin[] }>) => kept.set({ ...written, revision, ...set });
  const save = useCommand<{ note_id: string; revision: number }>({
    shelf: commandShelf(`${name}.save`),
    done: () => {
      kept.forget();
      tell.done(h("save.done"));
    },
  });
  const now = useNow();
  const zone = useZone();
  const [doubted, setDoubted] = useState(false); // a signature cannot be taken back: what looks like a slip is asked about
  const sign = useCommand<unknown>({
    shelf: commandShelf(`${name}.sign`),
    done: () => {
      kept.forget();
      tell.done(h("sign.done"));
    },
  });
  const body = {
    unit: present.unit,
    ...(watch ? { shift: watch.shift, day: watch.day } : {}),
    words: written.words,
    pins: written.pins.map(({ kind, id, note }) => ({ kind, id, note })),
    revision,
  };
  const store = (event?: FormEvent) => {
    event?.preventDefault();
    if (!save.isPending) save.mutate({ path: "/api/handovers", body });
  };
  const early = watch !== null && !watch.over && Date.parse(watch.to) - now > EARLY_MS;
  const doubts = [
    ...(early ? [h("sign.early", { at: cityTime(watch.to, zone, "hour") })] : []),
    ...(written.words.trim() === "" ? [h("sign.empty")] : []),
  ];
  const signNow = async () => {
    if (sign.isPending || save.isPending) return;
    setDoubted(false);
    // What is signed is what is on the page: an unsaved change is saved first.
    const saved =
      changed || note === null ? await save.mutateAsync({ path: "/api/handovers", body }).catch(() => null) : null;
    const at = saved ? { id: saved.note_id, revision: saved.revision } : note && !changed ? note : null;
    if (at !== null)
      sign.mutate({ path: `/api/handovers/${encodeURIComponent(at.id)}/sign`, body: { revision: at.revision } });
  };
  const refused = save.error instanceof Problem && save.error.status === 409;
  const isPinned = (kind: Pin["kind"], id: string) => written.pins.some((one) => one.kind === kind && one.id === id);
  const pin = (kind: Pin["kind"], id: string) =>
    mine &&
    !isPinned(kind, id) && (
      <Button
        size="compact-xs"
        variant="default"
        data-testid="handover-pin"
        onClick={() => change({ pins: [...written.pins, { kind, id, title: titleOf(present, kind, id), note: "" }] })}
      >
        {h("pin")}
      </Button>
    );
  return (
    <div className="columns">
      <Panel
        title={h("stands")}
        aside={
          <span className="quiet">
            {h("stands.asOf")} <Moment at={present.standing.at} shape="short" />
          </span>
        }
      >
        <div className="body">
          <StandingView standing={present.standing} pin={pin} />
        </div>
      </Panel>
      <div className="stack" style={{ gap: 16 }}>
        <Panel title={h("note")}>
          <form className="body stack" onSubmit={store}>
            {kept.found && (
              <span className="quiet" role="status" data-testid="handover-kept">
                {h("note.kept")}
              </span>
            )}
            <Textarea
              aria-label={h("note")}
              description={h("note.hint")}
              data-testid="handover-words"
              autosize
              minRows={6}
              readOnly={!mine}
              value={written.words}
              onChange={(event) => change({ words: event.currentTarget.value })}
            />
            <h3 style={{ fontSize: 14, margin: 0 }}>{h("pins")}</h3>
            {written.pins.length === 0 && <span className="quiet">{h("pins.none")}</span>}
            {written.pins.map((one) => (
              <div key={`${one.kind} ${one.id}`} className="pin" data-testid="handover-pinned">
                <span>{say(one.title)}</span>
                <input
                  className="pin-note"
                  aria-label={`${h("pin.note")}: ${say(one.title)}`}
                  placeholder={h("pin.note")}
                  value={one.note}
                  readOnly={!mine}
                  onChange={(event) => {
                    const note = event.currentTarget.value;
                    change({ pins: written.pins.map((each) => (each === one ? { ...each, note } : each)) });
                  }}
                />
                {mine && (
                  <Button
                    size="compact-xs"
                    variant="default"
                    onClick={() => change({ pins: written.pins.filter((each) => each !== one) })}
                  >
                    {h("unpin")}
                  </Button>
                )}
              </div>
            ))}
            {note && (
              <span className="quiet">
                {h("written")}: {say(note.written_by.name)} · <Moment at={note.written_at} shape="short" />
              </span>
            )}
            {save.error !== null && (
              <div>
                <Failure error={save.error} />
                {refused && (
                  <Button
                    size="xs"
                    variant="default"
                    onClick={() => {
                      kept.forget();
                      save.reset();
                      void client.invalidateQueries({ queryKey: ["handover"] });
                    }}
                  >
                    {h("reload")}
                  </Button>
                )}
              </div>
            )}
            {sign.error !== null && <Failure error={sign.error} />}
            {mine ? (
              <>
                <p className="quiet" style={{ margin: 0 }}>
                  {h("sign.meaning")} {watch && !watch.over && h("sign.ahead")}
                </p>
                {doubted && doubts.length > 0 && (
                  <div className="line" role="alert" style={{ justifyContent: "flex-end" }}>
                    <strong>{doubts.join(" ")}</strong>
                    <Button data-testid="handover-sign-anyway" onClick={() => void signNow()}>
                      {h("sign.anyway")}
                    </Button>
                    <Button variant="default" data-testid="handover-sign-not" onClick={() => setDoubted(false)}>
                      {t("cancel")}
                    </Button>
                  </div>
                )}
                <div className="line" style={{ justifyContent: "flex-end" }}>
                  {changed && <span className="quiet">{h("save.first")}</span>}
                  <Button type="submit" variant="default" loading={save.isPending} data-testid="handover-save">
                    {h("save")}
                  </Button>
                  {!(watch?.over && note === null) && (
                    <Button
                      loading={sign.isPending}
                      data-testid="handover-sign"
                      onClick={() => (doubts.length > 0 ? setDoubted(true) : void signNow())}
                      variant={watch?.over ? "default" : "filled"}
                    >
                      {h("sign")}
                    </Button>
                  )}
                </div>
              </>
            ) : (
              <span className="quiet">{h("may")}</span>
            )}
          </form>
        </Panel>
        {mine && watch?.over && <TakeUnsigned present={present} note={note} />}
      </div>
    </div>
  );
}

function titleOf({ standing }: Present, kind: Pin["kind"], id: string): Pin["title"] {
  if (kind === "incident") return standing.incidents?.items.find((one) => one.id === id)?.title ?? {};
  const alert = standing.alerts?.items.find((one) => one.id === id);
  if (!alert) return {};
  const both = (language: string) => `${alert.kind_title[language] ?? ""} · ${alert.subject.name[language] ?? ""}`;
  return { "zh-CN": both("zh-CN"), en: both("en") };
}

/** The shift is over and nobody signed: whoever came says why, and is in charge. */
function TakeUnsigned({ present, note }: { present: Present; note: Note | null }) {
  const { h } = useHandoverWords();
  const tell = useTell();
  const { watch } = present;
  const name = `handover.take.${present.unit}.${watch?.shift}.${watch?.day}`;
  const reason = useKept(name, "");
  const begin = useCommand<{ note_id: string }>({ shelf: commandShelf(`${name}.begin`) });
  const take = useCommand<unknown>({
    shelf: commandShelf(name),
    done: () => {
      reason.forget();
      tell.done(h("take.done"));
    },
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (take.isPending || begin.isPending) return;
    const empty = { unit: present.unit, shift: watch?.shift, day: watch?.day, words: "", revision: 0 };
    const id =
      note?.id ?? (await begin.mutateAsync({ path: "/api/handovers", body: empty }).catch(() => null))?.note_id ?? null;
    if (id !== null)
      take.mutate({ path: `/api/handovers/${encodeURIComponent(id)}/take`, body: { reason: reason.value.trim() } });
  };
  return (
    <Panel title={h("take")}>
      <form className="body stack" onSubmit={(event) => void submit(event)}>
        <span>{h("take.unsigned")}</span>
        <Textarea
          label={h("take.reason")}
          required
          autosize
          minRows={2}
          data-testid="handover-reason"
          value={reason.value}
          onChange={(event) => reason.set(event.currentTarget.value)}
        />
        {begin.error !== null && <Failure error={begin.error} />}
        {take.error !== null && <Failure error={take.error} />}
        <Button type="submit" loading={take.isPending || begin.isPending} data-testid="handover-take">
          {h("take")}
        </Button>
      </form>
    </Panel>
  );
}

/** A note with a signature: it is read, taken over, added to. */
function Signed({ present, note }: { present: Present; note: Note }) {
  const { h } = useHandoverWords();
  const tell = useTell();
  const session = useSession().data;
  const take = useCommand<unknown>({
    shelf: commandShelf(`handover.take.${note.id}`),
    done: () => tell.done(h("take.done")),
  });
  const own = note.signed?.id === session?.actor.id;
  const alone = present.next?.people.length === 1 && present.next.people[0]?.id === session?.actor.id;
  return (
    <>
      {note.state === "signed" && present.may_write && (
        <Panel title={h("take")}>
          <div className="body stack">
            <span>{own && !alone ? h("take.self") : h("take.meaning")}</span>
            {take.error !== null && <Failure error={take.error} />}
            {(!own || alone) && (
              <div className="line">
                <Button
                  loading={take.isPending}
                  data-testid="handover-take"
                  onClick={() =>
                    !take.isPending &&
                    take.mutate({ path: `/api/handovers/${encodeURIComponent(note.id)}/take`, body: {} })
                  }
                >
                  {h("take")}
                </Button>
              </div>
            )}
          </div>
        </Panel>
      )}
      <NoteBody note={note} />
    </>
  );
}
