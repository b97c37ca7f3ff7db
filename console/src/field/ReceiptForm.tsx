/** A receipt on the phone. Every letter and photo is kept at once, so a dead battery loses nothing. */

import { Button, Textarea } from "@mantine/core";
import { type ChangeEvent, type FormEvent, useEffect, useRef, useState } from "react";
import { commandId } from "../api/client";
import type { Task } from "../api/types";
import { unreadDate } from "../ui/DateField";
import { TaskForm } from "../ui/TaskForm";
import { useTell } from "../ui/Toast";
import { useField } from "./context";
import { Drafting } from "./drafting";
import { filled, formAsked } from "./form";
import { NoPhoto, room, smaller } from "./photo";
import { atLeast, lacking, PlaceField } from "./Receiving";
import type { ActBody, Draft, PhotoNote } from "./types";
import { useFieldWords } from "./words";

/** A round takes 50 files at most; a person in the field needs fewer. */
const MOST_PHOTOS = 20;

interface Props {
  task: Task;
  busy: boolean;
  /** Whether the act is kept. */
  send: (body: ActBody) => Promise<boolean>;
  close: () => void;
}

function bodyOf({ note, form, place }: Draft): ActBody {
  const held = filled(form);
  return { note: note.trim(), ...(Object.keys(held).length > 0 ? { form: held } : {}), ...(place ? { place } : {}) };
}

export function ReceiptForm({ task, busy, send, close }: Props) {
  const { f, t } = useFieldWords();
  const { sync, shown } = useField();
  const tell = useTell();
  const kept = shown.kept.drafts.get(task.id);
  const [draft, setDraft] = useState<Draft>(
    () => kept ?? { task: task.id, note: "", form: {}, place: null, photos: [] },
  );
  const [tried, setTried] = useState(false);
  const [taking, setTaking] = useState(false);
  const failed = (error: unknown) =>
    tell.failed(error instanceof DOMException && error.name === "QuotaExceededError" ? f("do.full") : error);
  const heard = useRef(failed);
  heard.current = failed;
  const [drafting] = useState(
    () =>
      new Drafting(
        draft,
        (one, photos) => sync.keepDraft(one, photos),
        (error) => heard.current(error),
      ),
  );

  const change = (part: Partial<Omit<Draft, "photos">>) => setDraft(drafting.change(part));
  useEffect(() => {
    const leave = () => drafting.leave();
    const hidden = () => document.visibilityState === "hidden" && leave();
    document.addEventListener("visibilitychange", hidden);
    window.addEventListener("pagehide", leave);
    return () => {
      document.removeEventListener("visibilitychange", hidden);
      window.removeEventListener("pagehide", leave);
      leave();
    };
  }, [drafting]);

  const add = async (event: ChangeEvent<HTMLInputElement>) => {
    const input = event.currentTarget;
    const chosen = [...(input.files ?? [])].slice(0, MOST_PHOTOS - drafting.draft.photos.length);
    setTaking(true);
    try {
      for (const file of chosen) {
        const blob = await smaller(file);
        if (!(await room(blob.size))) throw new DOMException("full", "QuotaExceededError");
        const name = `${file.name.replace(/\.[^.]*$/, "").slice(0, 80) || "photo"}.jpg`;
        await drafting.add({ key: commandId(), name, bytes: blob.size, sent: false }, blob);
        setDraft(drafting.draft);
      }
    } catch (error) {
      failed(error instanceof NoPhoto ? f("submit.notPhoto") : error);
    } finally {
      input.value = ""; // the same photo may be chosen again
      setTaking(false);
    }
  };
  const remove = async (photo: PhotoNote) => {
    await drafting.remove(photo).catch(failed);
    setDraft(drafting.draft);
  };

  const lacks = lacking(task.evidence, { ...draft, photos: draft.photos.length });
  const schema = formAsked(task.evidence);
  const photosAsked = atLeast(task.evidence, "photo");
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setTried(true);
    if (lacks.count > 0) {
      const form = event.currentTarget;
      requestAnimationFrame(() => form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    const unread = unreadDate(event.currentTarget);
    if (unread) return unread.focus();
    await drafting.hand(() => send(bodyOf(drafting.draft))).catch(failed);
  };
  return (
    <form className="stack" style={{ gap: 16 }} onSubmit={(event) => void submit(event)} noValidate>
      <h2>{f("submit.title")}</h2>
      <Textarea
        size="md"
        label={f("submit.note")}
        data-testid="field-note"
        withAsterisk={atLeast(task.evidence, "note") > 0}
        autosize
        minRows={3}
        maxLength={10_000}
        value={draft.note}
        error={tried && lacks.note ? f("submit.noteNeeded") : undefined}
        onChange={(event) => change({ note: event.currentTarget.value })}
      />
      <div className="stack">
        <strong>
          {f("submit.photos")}
          {photosAsked > 0 && <span aria-hidden="true"> *</span>}
        </strong>
        {draft.photos.length > 0 && (
          <ul className="field-photos">
            {draft.photos.map((photo, index) => (
              <Thumb key={photo.key} photo={photo} number={index + 1} remove={() => void remove(photo)} />
            ))}
          </ul>
        )}
        {draft.photos.length < MOST_PHOTOS && (
          <div className="field-more">
            <FileButton label={f("submit.take")} busy={taking} camera add={(event) => void add(event)} />
            <FileButton label={f("submit.choose")} busy={taking} add={(event) => void add(event)} />
          </div>
        )}
        {photosAsked > 0 && (
          <span className={tried && lacks.photos ? "late" : "quiet"}>
            {f("submit.photosNeeded", { n: photosAsked, have: draft.photos.length })}
          </span>
        )}
      </div>
      <PlaceField
        place={draft.place}
        change={(place) => change({ place })}
        needed={atLeast(task.evidence, "place") > 0}
        wrong={tried && lacks.place}
      />
      {schema !== null && (
        <TaskForm
          schema={schema}
          values={draft.form}
          change={(form) => change({ form })}
          mistakes={tried ? lacks.fields : []}
        />
      )}
      {tried && lacks.count > 0 && (
        <span className="late" role="alert">
          {f("submit.fix", { n: lacks.count })}
        </span>
      )}
      <div className="field-more">
        <Button size="md" variant="default" onClick={close}>
          {t("cancel")}
        </Button>
        <Button size="md" type="submit" loading={busy} disabled={taking} data-testid="field-confirm">
          {f("submit.send")}
        </Button>
      </div>
      <span className="quiet">{f("do.kept")}</span>
    </form>
  );
}

/** A button of thumb's size that opens the camera or the album. */
function FileButton({
  label,
  camera = false,
  busy,
  add,
}: {
  label: string;
  camera?: boolean;
  busy: boolean;
  add: (event: ChangeEvent<HTMLInputElement>) => void;
}) {
  return (
    <label className="field-file" data-busy={busy}>
      <input
        type="file"
        accept="image/*"
        className="unseen"
        disabled={busy}
        multiple={!camera}
        capture={camera ? "environment" : undefined}
        data-testid={camera ? "photo-take" : "photo-choose"}
        onChange={add}
      />
      {label}
    </label>
  );
}

function Thumb({ photo, number, remove }: { photo: PhotoNote; number: number; remove: () => void }) {
  const { f } = useFieldWords();
  const { sync } = useField();
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    let made: string | null = null;
    let gone = false;
    void sync.photo(photo.key).then((blob) => {
      if (gone || blob === null) return;
      made = URL.createObjectURL(blob);
      setUrl(made);
    });
    return () => {
      gone = true;
      if (made !== null) URL.revokeObjectURL(made);
    };
  }, [sync, photo.key]);
  return (
    <li data-testid="photo">
      {url !== null && <img src={url} alt={`${f("submit.photos")} ${number}`} />}
      <span className="quiet numeric">{Math.ceil(photo.bytes / 1024)} kB</span>
      <button type="button" className="thumb" aria-label={f("submit.remove", { n: number })} onClick={remove}>
        ✕
      </button>
    </li>
  );
}
