/** What this person may do with a task now: one-press acts, and forms for those that need words, files or a date. */

import { Button, Checkbox, FileInput, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Problem, request } from "../api/client";
import { commandShelf, type Kept, useKept } from "../api/kept";
import { useDepartments } from "../api/queries";
import type { Department, GroundPlace, StoredFile, Task, TaskVerb } from "../api/types";
import { useCommand } from "../api/useCommand";
import { filled, formAsked, type Mistake, type Values } from "../field/form";
import { smaller } from "../field/photo";
import { atLeast, lacking, PlaceField } from "../field/Receiving";
import { because, useFieldWords } from "../field/words";
import { useNow } from "../live/LiveProvider";
import { cityTime, zoneOffset } from "../time/format";
import { DateField, unreadDate } from "./DateField";
import { Failure } from "./states";
import { TaskForm } from "./TaskForm";
import { Moment, useZone } from "./Time";
import { useTell } from "./Toast";

/** Whether the act needs nothing but a press. */
const atOnce = (verb: TaskVerb, task: Task): boolean =>
  verb === "accept" || verb === "resume" || (verb === "verify" && !task.can_count_offline);
/** The act that moves the work forward; the others are quiet. */
const FORWARD: readonly TaskVerb[] = ["accept", "submit", "verify", "decide_return", "decide_extension", "resume"];

/** The form that is open and what has been filled in; it stays through a reload until it is sent or cancelled. */
interface Begun {
  verb: TaskVerb;
  held: Record<string, unknown>;
}

/** The fields of a form, each as it was filled in or as it begins. */
function draftOf<T extends object>(begun: Kept<Begun | null>, empty: T) {
  const filled = (held: Record<string, unknown> | undefined) => ({ ...empty, ...held }) as T;
  return {
    value: filled(begun.value?.held),
    put: (change: Partial<T> | ((before: T) => Partial<T>)) =>
      begun.set(
        (before) =>
          before && {
            ...before,
            held: { ...before.held, ...(typeof change === "function" ? change(filled(before.held)) : change) },
          },
      ),
  };
}

export function Acts({ task }: { task: Task }) {
  const { t } = useFieldWords();
  const tell = useTell();
  const client = useQueryClient();
  const begun = useKept<Begun | null>(`task.${task.id}`, null);
  const [tried, setTried] = useState<TaskVerb>("accept");
  const verbs: TaskVerb[] = task.can_evaluate ? [...task.actions, "evaluate"] : task.actions;
  // What may not be done any more, e.g. because somebody else did it, has no form.
  const form = begun.value !== null && verbs.includes(begun.value.verb) ? begun.value.verb : null;
  const act = useCommand<Task>({
    shelf: commandShelf(`task.${task.id}`),
    done: () => {
      begun.forget();
      tell.done(t("act.done"));
    },
    // Somebody was quicker: the page shows what is.
    failed: (error) => {
      if (error instanceof Problem && error.status === 409) void client.invalidateQueries({ queryKey: ["tasks"] });
    },
  });
  const send = (verb: TaskVerb, body: Record<string, unknown> = {}) => {
    setTried(verb);
    act.mutate({ path: `/api/tasks/${encodeURIComponent(task.id)}/${verb}`, body });
  };
  const main = FORWARD.find((verb) => task.actions.includes(verb));
  const close = () => {
    act.reset();
    begun.forget();
  };
  const shared = { task, begun, busy: act.isPending, close };
  if (verbs.length === 0 && act.error === null) return null;
  return (
    <div className="stack">
      {form === null && (
        <div className="line">
          {verbs.map((verb) => (
            <Button
              key={verb}
              size="md"
              variant={verb === main ? "filled" : "default"}
              data-testid={`task-${verb.replace("_", "-")}`}
              loading={act.isPending && tried === verb && atOnce(verb, task)}
              onClick={() => {
                act.reset();
                if (atOnce(verb, task)) send(verb);
                else begun.set({ verb, held: {} });
              }}
            >
              {t(`act.${verb}`)}
            </Button>
          ))}
        </div>
      )}
      {form === "submit" ? (
        <Submit {...shared} send={(body) => send("submit", body)} wrong={wrongFields(act.error)} />
      ) : form === "verify" ? (
        <Verify {...shared} send={(body) => send("verify", body)} />
      ) : form === "evaluate" ? (
        <Evaluate {...shared} send={(body) => send("evaluate", body)} />
      ) : (
        form !== null && <Reasoned {...shared} verb={form} send={(body) => send(form, body)} />
      )}
      {act.error !== null && <Refusal error={act.error} verb={tried} />}
    </div>
  );
}

const wrongFields = (error: unknown): Mistake[] =>
  error instanceof Problem && Array.isArray(error.more.fields) ? (error.more.fields as Mistake[]) : [];

/** Why the city said no, in words; what has none of its own is shown as it came. */
function Refusal({ error, verb }: { error: unknown; verb: TaskVerb }) {
  const words = useFieldWords();
  const zone = useZone();
  const told =
    error instanceof Problem && (error.status === 409 || error.status === 422)
      ? because({ ...error, detail: error.detail, remedy: error.remedy }, verb, zone, words)
      : null;
  if (told === null) return <Failure error={error} />;
  return (
    <div className="stack refusal" role="alert" data-testid="task-refused">
      <strong className="late">{told.why}</strong>
      {told.remedy && <span>{told.remedy}</span>}
    </div>
  );
}

interface FormProps {
  task: Task;
  begun: Kept<Begun | null>;
  busy: boolean;
  send: (body: Record<string, unknown>) => void;
  close: () => void;
}

function Buttons({
  verb,
  busy,
  disabled,
  close,
}: {
  verb: TaskVerb;
  busy: boolean;
  disabled?: boolean;
  close: () => void;
}) {
  const { t } = useFieldWords();
  return (
    <div className="line" style={{ justifyContent: "flex-end" }}>
      <Button size="md" variant="default" onClick={close}>
        {t("cancel")}
      </Button>
      <Button
        size="md"
        type="submit"
        loading={busy}
        disabled={disabled}
        data-testid={`task-${verb.replace("_", "-")}-confirm`}
      >
        {t(`act.${verb}`)}
      </Button>
    </div>
  );
}

const NO_RECEIPT: { note: string; form: Values; place: GroundPlace | null; files: StoredFile[] } = {
  note: "",
  form: {},
  place: null,
  files: [],
};

function Submit({ task, begun, busy, send, close, wrong }: FormProps & { wrong: Mistake[] }) {
  const { t, f, number } = useFieldWords();
  const tell = useTell();
  const draft = draftOf(begun, NO_RECEIPT);
  const { note, form, place, files } = draft.value;
  const [sending, setSending] = useState(false);
  const [tried, setTried] = useState(false);
  const schema = formAsked(task.evidence);
  const photosAsked = atLeast(task.evidence, "photo");
  const photos = files.filter(({ media }) => media === undefined || media.startsWith("image/")).length;
  const lacks = lacking(task.evidence, { note, form, place, photos });

  const upload = async (chosen: File[]) => {
    setSending(true);
    try {
      for (const file of chosen) {
        // What the browser cannot draw anew, e.g. HEIC, goes as it is: at a desk any file may be handed in.
        const photo = file.type.startsWith("image/") ? await smaller(file).catch(() => null) : null;
        const content = photo ?? file;
        const name = photo ? `${file.name.replace(/\.[^.]*$/, "") || "photo"}.jpg` : file.name;
        const body = new FormData();
        body.append("file", content, name);
        const stored = await request<StoredFile>(
          "POST",
          `/api/tasks/${encodeURIComponent(task.id)}/files`,
          body,
          180_000,
        );
        const kept = { ...stored, media: content.type };
        draft.put((before) => ({
          files: [...before.files.filter(({ sha256 }) => sha256 !== kept.sha256), kept],
        }));
      }
    } catch (error) {
      tell.failed(error instanceof Problem ? error : new Problem(0, "network", String(error)));
    } finally {
      setSending(false);
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setTried(true);
    if (lacks.count > 0) return;
    const unread = unreadDate(event.currentTarget);
    if (unread) return unread.focus();
    const held = filled(form);
    send({
      note: note.trim(),
      ...(Object.keys(held).length > 0 ? { form: held } : {}),
      ...(place ? { place } : {}),
    });
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <Textarea
        size="md"
        label={t("submit.note")}
        data-testid="task-note"
        autosize
        minRows={3}
        withAsterisk={atLeast(task.evidence, "note") > 0}
        error={tried && lacks.note ? f("submit.noteNeeded") : undefined}
        value={note}
        onChange={(event) => draft.put({ note: event.currentTarget.value })}
      />
      {schema !== null && (
        <TaskForm
          schema={schema}
          values={form}
          change={(values) => draft.put({ form: values })}
          mistakes={tried ? (lacks.fields.length > 0 ? lacks.fields : wrong) : []}
        />
      )}
      <FileInput
        size="md"
        label={photosAsked > 0 ? t("submit.photos", { n: photosAsked }) : f("submit.otherFiles")}
        placeholder={t("submit.choose")}
        data-testid="task-files"
        multiple
        value={[]}
        disabled={sending}
        onChange={(chosen) => void upload(chosen)}
      />
      {files.map((file) => (
        <span key={file.sha256}>
          {file.name}{" "}
          <span className="quiet numeric">
            {t("receipts.file", { kb: number(file.bytes / 1024), digest: file.sha256.slice(0, 12) })}
          </span>
        </span>
      ))}
      {lacks.photos && (
        <span className={tried ? "late" : "quiet"}>{t("submit.missing", { n: photosAsked - photos })}</span>
      )}
      {(atLeast(task.evidence, "place") > 0 || place !== null) && (
        <PlaceField
          place={place}
          change={(chosen) => draft.put({ place: chosen })}
          needed
          wrong={tried && lacks.place}
        />
      )}
      {tried && lacks.count > 0 && (
        <span className="late" role="alert">
          {f("submit.fix", { n: lacks.count })}
        </span>
      )}
      <Buttons verb="submit" busy={busy || sending} close={close} />
    </form>
  );
}

const NO_VERDICT = { counts: false, note: "" };

/** The receipt came late, but says that the work was done in time: the verifier decides which counts. */
function Verify({ task, begun, busy, send, close }: FormProps) {
  const { f } = useFieldWords();
  const zone = useZone();
  const draft = draftOf(begun, NO_VERDICT);
  const { counts, note } = draft.value;
  const at = (moment: string | null | undefined) => (moment ? cityTime(moment, zone, "short") : "—");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send({ ...(counts ? { count_offline: true } : {}), ...(note.trim() ? { note: note.trim() } : {}) });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <strong>{f("verify.title")}</strong>
      <Checkbox
        size="md"
        label={f("verify.count")}
        description={f("verify.countWhy", {
          done: at(task.done_at),
          due: at(task.due),
          received: at(task.submitted_at),
        })}
        data-testid="task-count-offline"
        checked={counts}
        onChange={(event) => draft.put({ counts: event.currentTarget.checked })}
      />
      <Textarea
        size="md"
        label={f("verify.note")}
        autosize
        minRows={2}
        value={note}
        onChange={(event) => draft.put({ note: event.currentTarget.value })}
      />
      <Buttons verb="verify" busy={busy} close={close} />
    </form>
  );
}

const ANSWERS = { yes: true, no: false, no_answer: null } as const;

const NO_ANSWER: { answer: keyof typeof ANSWERS | null; note: string } = { answer: null, note: "" };

/** What the person says for whom the work was done. */
function Evaluate({ begun, busy, send, close }: FormProps) {
  const { f, t } = useFieldWords();
  const draft = draftOf(begun, NO_ANSWER);
  const { answer, note } = draft.value;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (answer !== null) send({ satisfied: ANSWERS[answer], ...(note.trim() ? { note: note.trim() } : {}) });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <fieldset className="stack form-group">
        <legend>{t("explain.evaluate")}</legend>
        {(Object.keys(ANSWERS) as (keyof typeof ANSWERS)[]).map((one) => (
          <label key={one} className="line choice">
            <input
              type="radio"
              name="satisfied"
              data-testid={`task-satisfied-${one}`}
              checked={answer === one}
              onChange={() => draft.put({ answer: one })}
            />
            {f(`evaluate.${one}`)}
          </label>
        ))}
      </fieldset>
      <Textarea
        size="md"
        label={f("verify.note")}
        autosize
        minRows={2}
        value={note}
        onChange={(event) => draft.put({ note: event.currentTarget.value })}
      />
      <Buttons verb="evaluate" busy={busy} disabled={answer === null} close={close} />
    </form>
  );
}

/** Whether a department stands below another, at any depth. */
function standsBelow(departments: Department[], code: string, above: string): boolean {
  const parents = new Map(departments.map((one) => [one.code, one.parent]));
  const seen = new Set<string>();
  for (let at = parents.get(code) ?? null; at !== null && !seen.has(at); at = parents.get(at) ?? null) {
    if (at === above) return true;
    seen.add(at);
  }
  return false;
}

const NO_REASON: { reason: string; clause: string; to: string | null; until: string | null } = {
  reason: "",
  clause: "",
  to: null,
  until: null,
};

/** Return, reject, reassign, extensions, decisions: each with its reason, some with a unit, a date or a yes or no. */
function Reasoned({ verb, task, begun, busy, send, close }: FormProps & { verb: TaskVerb }) {
  const { t, f, say } = useFieldWords();
  const now = useNow();
  const zone = useZone();
  const departments = useDepartments();
  const draft = draftOf(begun, NO_REASON);
  const { reason, clause, to } = draft.value;
  const start = Math.max(now, task.due === null ? 0 : Date.parse(task.due)) + 6 * 3_600_000;
  const asked = verb === "decide_extension" ? task.extension_until : null;
  const [proposed] = useState(() => cityTime(asked ?? start, zone).replace(" ", "T"));
  const until = draft.value.until ?? proposed;
  const decision = verb === "decide_return" || verb === "decide_extension";
  const withUnit = verb === "reassign" || verb === "decide_return" || verb === "delegate";
  const units = (departments.data ?? []).filter(
    ({ code }) => code !== task.unit && (verb !== "delegate" || standsBelow(departments.data ?? [], code, task.unit)),
  );
  const withDate = verb === "request_extension" || verb === "decide_extension";
  const undecidable = verb === "decide_return" && to === null;

  const body = (approve?: boolean): Record<string, unknown> => {
    const wall = Date.parse(`${until}:00Z`);
    const dated = verb === "request_extension" || (verb === "decide_extension" && approve === true);
    return {
      reason: reason.trim(),
      ...(withUnit && to && approve !== false ? { to } : {}),
      ...(dated ? { until: new Date(wall - zoneOffset(wall, zone)).toISOString() } : {}),
      ...(verb === "return" && clause.trim() ? { clause: clause.trim() } : {}),
      ...(approve === undefined ? {} : { approve }),
    };
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send(body(decision ? true : undefined));
  };
  return (
    <form className="stack" onSubmit={submit}>
      <strong>{t(`act.${verb}`)}</strong>
      <span className="quiet">{t(`explain.${verb as Explained}`)}</span>
      {withUnit && (
        <NativeSelect
          size="md"
          label={t("act.to")}
          description={verb === "decide_return" ? t("act.toWhenApproved") : undefined}
          required={verb === "reassign" || verb === "delegate"}
          data-testid="task-to"
          data={[{ value: "", label: "—" }, ...units.map(({ code, title }) => ({ value: code, label: say(title) }))]}
          value={to ?? ""}
          onChange={({ currentTarget: { value } }) => draft.put({ to: value || null })}
        />
      )}
      {verb === "decide_extension" && task.extension_until && (
        <span>
          {t("act.asked")} <Moment at={task.extension_until} />
        </span>
      )}
      {withDate && (
        <DateField
          size="md"
          kind="datetime-local"
          label={t("act.until", { zone })}
          required
          value={until}
          change={(value) => draft.put({ until: value })}
        />
      )}
      <Textarea
        size="md"
        label={t("act.reason")}
        data-testid="task-reason"
        required={!decision && verb !== "delegate"}
        autosize
        minRows={2}
        value={reason}
        onChange={(event) => draft.put({ reason: event.currentTarget.value })}
      />
      {verb === "return" && (
        <TextInput
          size="md"
          label={f("return.clause")}
          description={f("return.clauseHint")}
          data-testid="task-clause"
          maxLength={80}
          value={clause}
          onChange={(event) => draft.put({ clause: event.currentTarget.value })}
        />
      )}
      {decision ? (
        <div className="line" style={{ justifyContent: "flex-end" }}>
          <Button size="md" variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button
            size="md"
            variant="default"
            loading={busy}
            data-testid="task-refuse"
            disabled={reason.trim() === ""}
            onClick={() => send(body(false))}
          >
            {t("act.refuse")}
          </Button>
          <Button size="md" type="submit" loading={busy} data-testid="task-approve" disabled={undecidable}>
            {t("act.approve")}
          </Button>
        </div>
      ) : (
        <Buttons verb={verb} busy={busy} close={close} />
      )}
    </form>
  );
}

type Explained = Exclude<TaskVerb, "accept" | "submit" | "verify" | "resume">;
