/** One draft: drawn, written or a table; checked while it is made; saved, handed in, and published by a second person. */

import { Button, Textarea } from "@mantine/core";
import { lazy, type RefObject, Suspense, useCallback, useMemo, useRef, useState } from "react";
import { Link, useLocation, useParams } from "wouter";
import { useDepartments, useMay, useSession } from "../api/queries";
import type { Text } from "../api/types";
import { useCommand } from "../api/useCommand";
import type { EditorHandle, Found } from "../bpmn/Editor";
import { useDraft, useFamilies, useTables } from "../plans/queries";
import { Revisions } from "../plans/Revisions";
import { StepTable } from "../plans/StepTable";
import { DraftStateWord, usePersonWords } from "../plans/shared";
import type { Checked, DraftDetail, PlanProblem } from "../plans/types";
import { useDraftText, useLeaving, type Work } from "../plans/useDraftText";
import { titled, usePlanWords } from "../plans/words";
import "../plans/plans.css";
import { Sheet } from "../ui/Sheet";
import { Empty, Failure, Loading, Panel } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";

const Editor = lazy(() => import("../bpmn/Editor"));
const Drawing = lazy(() => import("../bpmn/Drawing"));
const TableEditor = lazy(() => import("../plans/TableEditor"));

export default function PlanDraft() {
  const { id = "" } = useParams<{ id: string }>();
  const draft = useDraft(id);
  if (draft.data === undefined)
    return (
      <div className="page">
        <Panel>
          {draft.error ? <Failure error={draft.error} retry={() => void draft.refetch()} /> : <Loading lines={8} />}
        </Panel>
      </div>
    );
  return <DraftView key={draft.data.id} draft={draft.data} />;
}

function DraftView({ draft }: { draft: DraftDetail }) {
  const words = usePlanWords();
  const { p, say, t } = words;
  const mayDraft = useMay("plan.draft");
  const me = useSession().data?.actor.id;
  const who = usePersonWords();
  const open = draft.state === "draft" || draft.state === "rejected";
  const locked = !mayDraft || !open;
  const handle = useRef<EditorHandle>(null);
  const drawn = draft.kind === "bpmn";
  const read = useCallback(async () => (await handle.current?.save()) ?? draft.source, [draft.source]);
  const work = useDraftText(draft, locked, drawn ? read : undefined);
  // A text that came from elsewhere (restored, or somebody else's) is opened anew in the drawing tools.
  const [opened, reopen] = useState(0);
  useLeaving(work.dirty, p("draft.leave"));
  const title =
    work.checked?.plan?.title ??
    work.checked?.decision?.title ??
    (drawn ? drawingTitle(work.source) : null) ??
    draft.title;
  const name = title ? say(title) : (draft.name ?? p("draft.untitled"));
  return (
    <div className="page plans">
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/plans">{p("library.title")}</Link> / {p("library.drafts")}
          </div>
          <h1>
            {name} <DraftStateWord draft={draft} me={me} />
          </h1>
          <div className="quiet line">
            <span>{p(`draftKind.${draft.kind}`)}</span>
            <span>{p("draft.by", { authors: draft.authors.map((one) => who(one)).join(t("listComma")) })}</span>
            <span>
              {p("draft.updated")} <Moment at={draft.updated_at} />
            </span>
            <span data-testid="draft-saved" data-dirty={work.dirty}>
              {work.saving ? p("draft.saving") : work.dirty ? p("draft.unsaved") : p("draft.saved")}
            </span>
          </div>
        </div>
        <Acts draft={draft} work={work} locked={locked} me={me} />
      </div>
      {draft.reason && draft.state !== "published" && (
        <div className="banner" data-tone="lost" role="note">
          {p("draft.sentBack", { reason: draft.reason })}
        </div>
      )}
      {work.left !== null && (
        <div className="banner" role="status">
          <span>{p("draft.left")}</span>
          <Button
            size="xs"
            variant="default"
            onClick={() => {
              work.takeLeft();
              reopen((n) => n + 1);
            }}
          >
            {p("draft.takeLeft")}
          </Button>
          <Button size="xs" variant="default" onClick={work.dropLeft}>
            {p("draft.dropLeft")}
          </Button>
        </div>
      )}
      {work.conflict ? (
        <div className="banner" data-tone="lost" role="alert" data-testid="draft-conflict">
          <span>{p("draft.conflict")}</span>
          <Button
            size="xs"
            variant="default"
            data-testid="take-theirs"
            onClick={() => void work.takeTheirs().then(() => reopen((n) => n + 1))}
          >
            {p("draft.theirs")}
          </Button>
          <Button size="xs" variant="default" data-testid="keep-mine" onClick={() => void work.keepMine()}>
            {p("draft.mine")}
          </Button>
        </div>
      ) : (
        work.error !== null && <Failure error={work.error} />
      )}
      {locked && open && !mayDraft && <p className="quiet">{p("draft.readOnly")}</p>}
      <Body key={opened} draft={draft} work={work} locked={locked} handle={handle} />
      <Revisions
        draft={draft}
        takeUp={
          locked
            ? null
            : (source) => {
                if (work.dirty && !window.confirm(p("revisions.lose"))) return false;
                work.edit(source);
                reopen((n) => n + 1);
                return true;
              }
        }
      />
    </div>
  );
}

/** The title that a drawing gives its process, also while it cannot be published yet. */
function drawingTitle(xml: string): Text | null {
  const process = new DOMParser()
    .parseFromString(xml, "application/xml")
    .getElementsByTagNameNS("http://www.omg.org/spec/BPMN/20100524/MODEL", "process")[0];
  const chinese = process?.getAttribute("name") ?? "";
  const english = process?.getAttributeNS("https://cityheart.org/bpmn/1", "en") ?? "";
  return chinese === "" && english === "" ? null : { "zh-CN": chinese || english, en: english || chinese };
}

/** In the reader's language, without the names that only the file knows. */
const both = (value: Text | string | null, say: (text: Text | string | null) => string) =>
  value === null ? "" : say(value).replace(/\s*[（(]ch:\w+[）)]/g, "");

/** What the elements of a drawing are called, for who knows them by their names and not by their ids. */
function drawnNames(xml: string): ReadonlyMap<string, string> {
  const all = new DOMParser().parseFromString(xml, "application/xml").querySelectorAll("[id][name]");
  return new Map([...all].map((one) => [one.getAttribute("id") ?? "", one.getAttribute("name") ?? ""]));
}

function Body({
  draft,
  work,
  locked,
  handle,
}: {
  draft: DraftDetail;
  work: Work;
  locked: boolean;
  handle: RefObject<EditorHandle | null>;
}) {
  const words = usePlanWords();
  const { p, say } = words;
  const departments = useDepartments().data;
  const families = useFamilies().data;
  const tables = useTables().data;
  const problems = work.checked?.problems ?? [];
  const found = useMemo<Found[]>(
    () => problems.map(({ element, severity, detail }) => ({ element, severity, words: both(detail, say) })),
    [problems, say],
  );
  const known = useMemo(
    () => ({
      departments,
      tables: [
        ...new Map(
          (tables ?? []).map((one) => [one.name, { name: one.name, title: say(one.title), outputs: one.outputs }]),
        ).values(),
      ],
      plans: (families ?? []).map((one) => ({ name: one.name, title: say(one.title) })),
    }),
    [departments, tables, families, say],
  );
  const kinds = useMemo(
    () => [...new Set((families ?? []).flatMap(({ versions }) => versions.flatMap(({ kind }) => kind ?? [])))],
    [families],
  );
  const text = useRef<HTMLTextAreaElement>(null);
  const [start] = useState(work.source);
  const { edit } = work;
  const changed = useCallback(() => {
    void handle.current?.save().then(edit);
  }, [handle, edit]);
  const jump = (problem: PlanProblem) => {
    if (problem.element === null) return;
    if (draft.kind === "bpmn") handle.current?.jump(problem.element);
    else jumpText(text.current, problem.element);
  };
  const names = useMemo(
    () =>
      draft.kind === "bpmn"
        ? drawnNames(work.source)
        : new Map((work.checked?.plan?.steps ?? []).map((step) => [step.id, say(titled(step.title, step.id))])),
    [draft.kind, work.source, work.checked, say],
  );
  const list = <Problems checked={work.checked} checking={work.checking} jump={jump} names={names} />;
  if (draft.kind === "bpmn")
    return (
      <>
        <Panel title={p("draft.drawing")} className="editing">
          <Suspense fallback={<Loading lines={10} />}>
            <Editor
              xml={start}
              handle={handle}
              changed={changed}
              problems={found}
              known={known}
              kinds={kinds}
              locked={locked}
            />
          </Suspense>
        </Panel>
        {list}
        <Preview checked={work.checked} />
      </>
    );
  if (draft.kind === "dmn")
    return (
      <>
        <Suspense fallback={<Loading lines={8} />}>
          <TableEditor source={work.source} change={work.edit} locked={locked} problems={problems} text={text} />
        </Suspense>
        {list}
      </>
    );
  return (
    <>
      <div className="sides">
        <Panel title={p("draft.text")}>
          <Textarea
            ref={text}
            className="code tall"
            aria-label={p("draft.text")}
            data-testid="draft-text"
            spellCheck={false}
            disabled={locked}
            value={work.source}
            onChange={(event) => work.edit(event.currentTarget.value)}
          />
        </Panel>
        <div className="stack">
          {work.checked?.bpmn && (
            <Panel title={p("plan.drawing")}>
              <Suspense fallback={<Loading lines={8} />}>
                <Drawing
                  xml={work.checked.bpmn}
                  label={p("draft.drawing")}
                  choose={(step) => step !== null && jumpText(text.current, step)}
                />
              </Suspense>
            </Panel>
          )}
          {list}
        </div>
      </div>
      <Preview checked={work.checked} />
    </>
  );
}

/** Brings the place of a text where an id is given into view, and marks it. */
function jumpText(box: HTMLTextAreaElement | null, id: string) {
  if (box === null) return;
  const at = box.value.search(new RegExp(`\\bid:\\s*["']?${id.replace(/[^A-Za-z0-9_-]/g, ".")}\\b`));
  if (at < 0) return;
  const line = box.value.slice(0, at).split("\n").length - 1;
  box.focus();
  box.setSelectionRange(at, box.value.indexOf("\n", at) < 0 ? box.value.length : box.value.indexOf("\n", at));
  box.scrollTop = Math.max(0, line * Number.parseFloat(getComputedStyle(box).lineHeight) - 80);
}

/** All that is wrong, each with what to do; a press brings its place into view. */
function Problems({
  checked,
  checking,
  jump,
  names,
}: {
  checked: Checked | null;
  checking: boolean;
  names: ReadonlyMap<string, string>;
  jump: (problem: PlanProblem) => void;
}) {
  const { p, say } = usePlanWords();
  const errors = checked?.problems.filter(({ severity }) => severity !== "warning") ?? [];
  const hints = checked?.problems.filter(({ severity }) => severity === "warning") ?? [];
  return (
    <Panel
      title={p("check.title")}
      aside={
        <span
          className={errors.length > 0 ? "late" : "quiet"}
          role="status"
          data-testid="check-state"
          data-ok={checked?.ok ?? "unknown"}
        >
          {checking || checked === null
            ? p("check.asking")
            : errors.length > 0
              ? p("check.errors", { n: errors.length })
              : hints.length > 0
                ? p("check.hints", { n: hints.length })
                : p("check.good")}
        </span>
      }
    >
      {checked !== null && checked.problems.length === 0 ? (
        <Empty title={p("check.none")}>{p("check.noneWhy")}</Empty>
      ) : (
        <ul className="problems">
          {[...errors, ...hints].map((problem, at) => (
            <li key={at} data-severity={problem.severity} data-testid="problem">
              <button type="button" className="plain" disabled={problem.element === null} onClick={() => jump(problem)}>
                <span className="tag" data-tone={problem.severity === "warning" ? undefined : "late"}>
                  {p(problem.severity === "warning" ? "check.hint" : "check.error")}
                </span>
                <span>
                  {both(problem.detail, say)}
                  {problem.remedy && (
                    <span className="quiet"> {p("check.remedy", { what: both(problem.remedy, say) })}</span>
                  )}
                </span>
                {problem.element !== null && (
                  <span className="quiet">{names.get(problem.element) || problem.element}</span>
                )}
              </button>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Preview({ checked }: { checked: Checked | null }) {
  const { p } = usePlanWords();
  const departments = useDepartments().data;
  if (!checked?.plan) return null;
  return (
    <Panel
      title={p("draft.preview")}
      aside={<span className="quiet">{p("steps.count", { n: checked.plan.steps.length })}</span>}
    >
      <StepTable plan={checked.plan} departments={departments} />
    </Panel>
  );
}

/** Save, hand in, publish, send back, take back: whoever may, and only what makes sense now. */
function Acts({
  draft,
  work,
  locked,
  me,
}: {
  draft: DraftDetail;
  work: Work;
  locked: boolean;
  me: string | undefined;
}) {
  const { p } = usePlanWords();
  const tell = useTell();
  const [, go] = useLocation();
  const may = (verb: string) => draft.actions.includes(verb);
  const mine = draft.authors.some((one) => (typeof one === "string" ? one : one.id) === me);
  const [asking, setAsking] = useState<"reject" | "withdraw" | null>(null);
  const act = useCommand<DraftDetail>({
    done: (answer) => {
      setAsking(null);
      tell.done(p(`done.${answer.state}`));
      if (answer.state === "published" && answer.digest)
        go(answer.kind === "dmn" ? `/plans/decisions/${answer.digest}` : `/plans/${answer.digest}`);
    },
    failed: tell.failed,
  });
  const send = (verb: string, reason?: string) =>
    act.mutate({
      path: `/api/library/drafts/${encodeURIComponent(draft.id)}/${verb}`,
      body: reason === undefined ? {} : { reason },
    });
  const submitted = draft.state === "submitted";
  return (
    <div className="line">
      {!locked && (
        <>
          <Button
            variant="default"
            data-testid="draft-save"
            loading={work.saving}
            disabled={!work.dirty}
            onClick={() => void work.save().then((done) => done && tell.done(p("draft.saved")))}
          >
            {p("draft.save")}
          </Button>
          <Button
            data-testid="draft-submit"
            loading={act.isPending}
            disabled={work.checked?.ok === false}
            onClick={() => {
              if (!work.dirty) send("submit");
              else void work.save().then((done) => done && send("submit"));
            }}
          >
            {p("draft.submit")}
          </Button>
        </>
      )}
      {may("approve") && (
        <>
          <Button data-testid="draft-approve" loading={act.isPending} onClick={() => send("approve")}>
            {p("draft.approve")}
          </Button>
          <Button variant="default" data-testid="draft-reject" onClick={() => setAsking("reject")}>
            {p("draft.reject")}
          </Button>
        </>
      )}
      {may("withdraw") && mine && (
        <Button variant="default" data-testid="draft-withdraw" onClick={() => setAsking("withdraw")}>
          {p("draft.withdraw")}
        </Button>
      )}
      {submitted && mine && <span className="quiet">{p("draft.waitsFor")}</span>}
      {draft.state === "published" && draft.digest && (
        <Link href={draft.kind === "dmn" ? `/plans/decisions/${draft.digest}` : `/plans/${draft.digest}`}>
          {p("draft.openPublished")}
        </Link>
      )}
      {asking !== null && (
        <Reason
          verb={asking}
          busy={act.isPending}
          close={() => setAsking(null)}
          send={(reason) => send(asking, reason)}
        />
      )}
    </div>
  );
}

function Reason({
  verb,
  busy,
  send,
  close,
}: {
  verb: "reject" | "withdraw";
  busy: boolean;
  send: (reason: string) => void;
  close: () => void;
}) {
  const { p, t } = usePlanWords();
  const [reason, setReason] = useState("");
  return (
    <Sheet title={p(`draft.${verb}`)} close={close}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          send(reason.trim());
        }}
      >
        <span>{p(`draft.${verb}Means`)}</span>
        <Textarea
          label={t("act.reason")}
          required
          autosize
          minRows={2}
          data-testid="draft-reason"
          data-autofocus
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <div className="line" style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={busy} data-testid="draft-reason-confirm">
            {p(`draft.${verb}`)}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
