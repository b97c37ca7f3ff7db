/** What this person may do with a task now: one-press acts, and forms for those that need words, files or a date. */

import { Button, FileInput, NativeSelect, NumberInput, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Problem, request } from "../api/client";
import { useDepartments } from "../api/queries";
import type { StoredFile, Task, TaskVerb } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { cityTime, zoneOffset } from "../time/format";
import { Failure } from "./states";
import { Moment, useZone } from "./Time";
import { useTell } from "./Toast";

const AT_ONCE: ReadonlySet<TaskVerb> = new Set(["accept", "verify", "resume"]);
/** The act that moves the work forward; the others are quiet. */
const FORWARD: readonly TaskVerb[] = ["accept", "submit", "verify", "decide_return", "decide_extension", "resume"];

export function Acts({ task }: { task: Task }) {
  const { t } = useWords();
  const tell = useTell();
  const [form, setForm] = useState<TaskVerb | null>(null);
  const act = useCommand<Task>({
    done: () => {
      setForm(null);
      tell.done(t("act.done"));
    },
  });
  const send = (verb: TaskVerb, body: Record<string, unknown> = {}) =>
    act.mutate({ path: `/api/tasks/${encodeURIComponent(task.id)}/${verb}`, body });
  if (task.actions.length === 0) return null;
  const main = FORWARD.find((verb) => task.actions.includes(verb));
  return (
    <div className="stack">
      {form === null && (
        <div className="line">
          {task.actions.map((verb) => (
            <Button
              key={verb}
              size="md"
              variant={verb === main ? "filled" : "default"}
              data-testid={`task-${verb.replace("_", "-")}`}
              loading={act.isPending && AT_ONCE.has(verb)}
              onClick={() => {
                act.reset();
                if (AT_ONCE.has(verb)) send(verb);
                else setForm(verb);
              }}
            >
              {t(`act.${verb}`)}
            </Button>
          ))}
        </div>
      )}
      {form === "submit" && (
        <Submit task={task} busy={act.isPending} send={(body) => send("submit", body)} close={() => setForm(null)} />
      )}
      {form !== null && form !== "submit" && (
        <Reasoned
          verb={form}
          task={task}
          busy={act.isPending}
          send={(body) => send(form, body)}
          close={() => setForm(null)}
        />
      )}
      {act.error !== null && <Failure error={act.error} />}
    </div>
  );
}

interface FormProps {
  task: Task;
  busy: boolean;
  send: (body: Record<string, unknown>) => void;
  close: () => void;
}

function Buttons({ verb, busy, close }: { verb: TaskVerb; busy: boolean; close: () => void }) {
  const { t } = useWords();
  return (
    <div className="line" style={{ justifyContent: "flex-end" }}>
      <Button size="md" variant="default" onClick={close}>
        {t("cancel")}
      </Button>
      <Button size="md" type="submit" loading={busy} data-testid={`task-${verb.replace("_", "-")}-confirm`}>
        {t(`act.${verb}`)}
      </Button>
    </div>
  );
}

function Submit({ task, busy, send, close }: FormProps) {
  const { t, number } = useWords();
  const tell = useTell();
  const [note, setNote] = useState("");
  const [summary, setSummary] = useState("");
  const [count, setCount] = useState<number | string>("");
  const [files, setFiles] = useState<StoredFile[]>([]);
  const [sending, setSending] = useState(false);
  const asked = (kind: "photo" | "note" | "form") => task.evidence.find((one) => one.kind === kind)?.min ?? 0;
  const photos = asked("photo");
  const missing = photos - files.length;

  const upload = async (chosen: File[]) => {
    setSending(true);
    try {
      for (const file of chosen) {
        const body = new FormData();
        body.append("file", file);
        const stored = await request<StoredFile>("POST", `/api/tasks/${encodeURIComponent(task.id)}/files`, body);
        setFiles((before) => (before.some(({ sha256 }) => sha256 === stored.sha256) ? before : [...before, stored]));
      }
    } catch (error) {
      tell.failed(error instanceof Problem ? error : new Problem(0, "network", String(error)));
    } finally {
      setSending(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const form = {
      ...(summary.trim() ? { summary: summary.trim() } : {}),
      ...(typeof count === "number" ? { count } : {}),
    };
    send({
      note: note.trim(),
      ...(Object.keys(form).length > 0 ? { form } : {}),
    });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <Textarea
        size="md"
        label={t("submit.note")}
        data-testid="task-note"
        autosize
        minRows={3}
        required={asked("note") > 0}
        value={note}
        onChange={(event) => setNote(event.currentTarget.value)}
      />
      {asked("form") > 0 && (
        <>
          <TextInput
            size="md"
            label={t("form.summary")}
            required
            data-testid="task-form-summary"
            value={summary}
            onChange={(event) => setSummary(event.currentTarget.value)}
          />
          <NumberInput size="md" label={t("form.count")} min={0} value={count} onChange={setCount} />
        </>
      )}
      <FileInput
        size="md"
        label={photos > 0 ? t("submit.photos", { n: photos }) : t("submit.files")}
        placeholder={t("submit.choose")}
        data-testid="task-files"
        multiple
        accept={photos > 0 ? "image/*" : undefined}
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
      {missing > 0 && <span className="quiet">{t("submit.missing", { n: missing })}</span>}
      <Buttons verb="submit" busy={busy || sending} close={close} />
    </form>
  );
}

/** Return, reject, reassign, extensions, decisions: each with its reason, some with a unit, a date or a yes or no. */
function Reasoned({ verb, task, busy, send, close }: FormProps & { verb: TaskVerb }) {
  const { t, say } = useWords();
  const now = useNow();
  const zone = useZone();
  const departments = useDepartments();
  const [reason, setReason] = useState("");
  const [to, setTo] = useState<string | null>(null);
  const start = Math.max(now, task.due === null ? 0 : Date.parse(task.due)) + 6 * 3_600_000;
  const [until, setUntil] = useState(() => cityTime(start, zone).replace(" ", "T"));
  const decision = verb === "decide_return" || verb === "decide_extension";
  const withUnit = verb === "reassign" || verb === "decide_return";
  const undecidable = verb === "decide_return" && to === null;

  const body = (approve?: boolean): Record<string, unknown> => {
    const wall = Date.parse(`${until}:00Z`);
    return {
      reason: reason.trim(),
      ...(withUnit && to ? { to } : {}),
      ...(verb === "request_extension" ? { until: new Date(wall - zoneOffset(wall, zone)).toISOString() } : {}),
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
          required={verb === "reassign"}
          data={[
            { value: "", label: "—" },
            ...(departments.data ?? [])
              .filter(({ code }) => code !== task.unit)
              .map(({ code, title }) => ({ value: code, label: say(title) })),
          ]}
          value={to ?? ""}
          onChange={({ currentTarget: { value } }) => setTo(value || null)}
        />
      )}
      {verb === "decide_extension" && task.extension_until && (
        <span>
          {t("act.asked")} <Moment at={task.extension_until} />
        </span>
      )}
      {verb === "request_extension" && (
        <TextInput
          size="md"
          type="datetime-local"
          label={t("act.until", { zone })}
          required
          value={until}
          onChange={(event) => setUntil(event.currentTarget.value)}
        />
      )}
      <Textarea
        size="md"
        label={t("act.reason")}
        data-testid="task-reason"
        required={!decision}
        autosize
        minRows={2}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
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
