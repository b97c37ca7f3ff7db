/** One incident: its plan as a timeline, every task with its clocks, and the log of what was done by whom. */

import { Button, Textarea } from "@mantine/core";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { Link, useParams, useSearchParams } from "wouter";
import { commandShelf, useKept } from "../api/kept";
import { useAlert, useIncident, useMatterOf, useMay, usePanels } from "../api/queries";
import type { CityEvent, IncidentDetail, Run } from "../api/types";
import { useCommand } from "../api/useCommand";
import { LogCheck } from "../handover/LogCheck";
import { type LogLine, PrintSheet } from "../handover/PrintSheet";
import { Receipts } from "../handover/Receipts";
import { usePrinting } from "../handover/usePrinting";
import { type Key, useWords, type Words } from "../i18n";
import { useKnowledgeWords } from "../knowledge/words";
import { Declared } from "../ui/Declared";
import { LongTable } from "../ui/LongTable";
import { Severity, SeverityMark } from "../ui/Severity";
import { Sheet } from "../ui/Sheet";
import { Empty, Failure, Loading, Panel } from "../ui/states";
import { TaskSheet } from "../ui/TaskPanel";
import { Moment } from "../ui/Time";
import { Timeline } from "../ui/Timeline";
import { useTell } from "../ui/Toast";
import { eventWord } from "./eventWord";
import { TaskCounts } from "./Incidents";

const DispatchSheet = lazy(async () => ({ default: (await import("../ui/DispatchSheet")).DispatchSheet }));
const IncidentAdvice = lazy(() => import("../knowledge/IncidentAdvice"));
const ChangeRun = lazy(() => import("../plans/ChangeRun"));
const RunChanges = lazy(() => import("../plans/RunChanges"));
const RunDrawing = lazy(() => import("../plans/RunDrawing"));

export default function IncidentPage() {
  const { id = "" } = useParams<{ id: string }>();
  const incident = useIncident(id);
  if (incident.data === undefined)
    return (
      <div className="page">
        <Panel>
          {incident.error ? (
            <Failure error={incident.error} retry={() => void incident.refetch()} />
          ) : (
            <Loading lines={8} />
          )}
        </Panel>
      </div>
    );
  return <IncidentView incident={incident.data} />;
}

function IncidentView({ incident }: { incident: IncidentDetail }) {
  const { t, say } = useWords();
  const [params, setParams] = useSearchParams();
  const { k } = useKnowledgeWords();
  const mayDispatch = useMay("incident.dispatch");
  const panels = usePanels().data?.filter(({ page }) => page === "incident") ?? [];
  const open = params.get("task");
  const task = incident.runs.flatMap(({ tasks }) => tasks).find(({ id }) => id === open) ?? null;
  const runs = [...incident.runs].sort((a, b) => b.started_at.localeCompare(a.started_at));
  const drawn = params.get("view") === "drawing";
  const set = (name: "task" | "view" | "dispatch" | "lift", value: string | null) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === null) after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  const select = (id: string | null) => set("task", id);
  // Sheets are in the address: a reload in the middle of one opens it again, with what was filled in.
  const starting = params.get("dispatch");
  const actionable = incident.state === "open" && !incident.lifted_at && mayDispatch;
  const draw = (on: boolean) => set("view", on ? "drawing" : null);
  // Asked for here, so that what is printed has it at once.
  const alert = useAlert(useMay("alert.read") ? incident.alert_id : null);
  const printing = usePrinting(alert.fetchStatus === "idle");
  const log = useLogLines(incident);
  return (
    <div className="page">
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/incidents">{t("nav.incidents")}</Link>
          </div>
          <h1 className="line" style={{ fontSize: 20, margin: 0 }}>
            <SeverityMark level={incident.level} size={26} />
            {say(incident.title)}
            <Severity level={incident.level} size={0} />
            <span className="tag" data-testid="incident-state" data-state={incident.state}>
              {t(`incidents.${incident.state}`)}
            </span>
          </h1>
          <div className="quiet line">
            <span>
              {t("incidents.openedAt")} <Moment at={incident.opened_at} ago />
            </span>
            {incident.closed_at && (
              <span>
                {t("incidents.closedAt")} <Moment at={incident.closed_at} />
              </span>
            )}
            {incident.lifted_at && (
              <span>
                {t("lift.at")} <Moment at={incident.lifted_at} />
              </span>
            )}
            {incident.late > 0 && <span className="late">{t("incident.late", { n: incident.late })}</span>}
          </div>
        </div>
        <div className="line no-print">
          <Button variant="default" data-testid="print" loading={printing.preparing} onClick={printing.print}>
            {t("print")}
          </Button>
          {incident.alert_id && <Link href={`/alerts/${incident.alert_id}`}>{t("incident.openAlert")}</Link>}
          <OfMatter incident={incident.id} />
          <Link href={`/inbox?incident=${encodeURIComponent(incident.id)}`} data-testid="incident-letters">
            {t("incident.letters")}
          </Link>
          {actionable && (
            <Button
              variant={incident.runs.length === 0 ? "filled" : "default"}
              data-testid="incident-dispatch"
              onClick={() => set("dispatch", "first")}
            >
              {k("advice.another")}
            </Button>
          )}
          {actionable && (
            <Button variant="default" data-testid="lift" onClick={() => set("lift", "yes")}>
              {t("lift")}
            </Button>
          )}
        </div>
      </div>
      <TaskCounts incident={incident} />
      {incident.runs.length === 0 && (
        <Panel title={t("incident.plan")}>
          <Empty title={t("incident.noRun")}>{t("incident.noRunWhy")}</Empty>
        </Panel>
      )}
      {runs.map((run, at) => (
        <RunPanel
          key={run.id}
          run={run}
          open={open}
          select={select}
          drawn={drawn}
          draw={draw}
          folded={at > 0 && run.closed_at !== null}
        />
      ))}
      {incident.state === "open" && !incident.lifted_at && (
        <Suspense
          fallback={
            <Panel>
              <Loading />
            </Panel>
          }
        >
          <IncidentAdvice incident={incident} />
        </Suspense>
      )}
      {panels.map((panel) => (
        <Declared key={panel.id} panel={panel} />
      ))}
      {incident.runs.length > 0 && <Receipts incident={incident} select={select} />}
      <Log incident={incident} lines={log} />
      <TaskSheet task={task} close={() => select(null)} inIncident />
      {starting !== null && actionable && (
        <Suspense fallback={null}>
          <DispatchSheet
            incident={incident}
            digest={starting}
            choose={(digest) => set("dispatch", digest)}
            close={() => set("dispatch", null)}
          />
        </Suspense>
      )}
      {printing.shown && (
        // Not loaded later: the browser's own command to print waits for nothing.
        <PrintSheet incident={incident} log={log} ready={printing.ready} />
      )}
      {params.has("lift") && actionable && <Lift incident={incident} close={() => set("lift", null)} />}
    </div>
  );
}

/** A plan under way, or a finished one folded to its heading. */
function RunPanel({
  run,
  open,
  select,
  drawn,
  draw,
  folded,
}: {
  run: Run;
  open: string | null;
  select: (id: string) => void;
  drawn: boolean;
  draw: (on: boolean) => void;
  folded: boolean;
}) {
  const { t, say } = useWords();
  const [unfolded, setUnfolded] = useState(!folded || run.tasks.some(({ id }) => id === open));
  const [changing, setChanging] = useState(false);
  const mayChange = useMay("run.patch") && run.closed_at === null;
  return (
    <Panel
      title={
        <button type="button" className="plain fold" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
          {say(run.plan.title)}
        </button>
      }
      aside={
        <span className="quiet">
          <Link href={`/plans/${run.plan.digest}`} title={run.plan.digest}>
            v{run.plan.version}
          </Link>{" "}
          · {t("incident.started")} <Moment at={run.started_at} />
          {run.closed_at && (
            <>
              {" "}
              · {t("incident.finished")} <Moment at={run.closed_at} />
            </>
          )}
        </span>
      }
    >
      {unfolded && (
        <>
          <div className="line" style={{ justifyContent: "space-between", padding: "0 12px 8px" }}>
            <Button.Group>
              {([false, true] as const).map((one) => (
                <Button
                  key={String(one)}
                  size="xs"
                  variant={drawn === one ? "filled" : "default"}
                  aria-pressed={drawn === one}
                  data-testid={one ? "run-drawing" : "run-timeline"}
                  onClick={() => draw(one)}
                >
                  {t(one ? "run.drawing" : "run.timeline")}
                </Button>
              ))}
            </Button.Group>
            {mayChange && (
              <Button size="xs" variant="default" data-testid="run-change" onClick={() => setChanging(true)}>
                {t("run.change")}
              </Button>
            )}
          </div>
          {drawn ? (
            <Suspense fallback={<Loading lines={8} />}>
              <RunDrawing run={run} open={open} select={select} />
            </Suspense>
          ) : (
            <>
              <Timeline run={run} open={open} select={select} />
              <Legend />
            </>
          )}
          {(run.patches ?? []).length > 0 && (
            <Suspense fallback={null}>
              <RunChanges run={run} />
            </Suspense>
          )}
          {changing && (
            <Suspense fallback={null}>
              <ChangeRun run={run} close={() => setChanging(false)} />
            </Suspense>
          )}
        </>
      )}
    </Panel>
  );
}

function Legend() {
  const { t } = useWords();
  const marks: [string, Key][] = [
    ["accept", "timeline.acceptMark"],
    ["due", "timeline.dueMark"],
    ["rung", "timeline.rungMark"],
  ];
  return (
    <ul className="legend" style={{ borderTop: "1px solid var(--line)", padding: "6px 12px" }}>
      {marks.map(([kind, key]) => (
        <li key={kind} className="timeline">
          <span className="track" style={{ height: 16, width: 8 }} aria-hidden="true">
            <span className="mark" data-kind={kind} style={{ height: 14, left: 3, top: 1 }} />
          </span>
          {t(key)}
        </li>
      ))}
      <li className="timeline">
        <span className="track" style={{ height: 16, width: 22 }} aria-hidden="true">
          <span className="allowed" style={{ left: 0, width: "100%" }} />
        </span>
        {t("timeline.allowedMark")}
      </li>
    </ul>
  );
}

function Lift({ incident, close }: { incident: IncidentDetail; close: () => void }) {
  const { t } = useWords();
  const tell = useTell();
  const kept = useKept(`lift.${incident.id}`, "");
  const reason = kept.value;
  const words = useRef<HTMLTextAreaElement>(null);
  useEffect(() => words.current?.focus(), []);
  const lift = useCommand<unknown>({
    shelf: commandShelf(`lift.${incident.id}`),
    done: () => {
      kept.forget();
      tell.done(t("lift.done"));
      close();
    },
  });
  return (
    <Sheet close={close} title={t("lift")}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!lift.isPending)
            lift.mutate({
              path: `/api/incidents/${encodeURIComponent(incident.id)}/lift`,
              body: { reason: reason.trim() },
            });
        }}
      >
        <span>{t("lift.meaning")}</span>
        <Textarea
          label={t("act.reason")}
          required
          ref={words}
          autosize
          minRows={2}
          value={reason}
          onChange={(event) => kept.set(event.currentTarget.value)}
        />
        {lift.error !== null && <Failure error={lift.error} />}
        <div className="line" style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={lift.isPending} data-testid="lift-confirm">
            {t("lift")}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}

const CAUSES = [
  "accept",
  "due",
  "elapsed",
  "no-department",
  "not_needed",
  "interrupted",
  "skipped",
  "reassigned",
  "rework",
  "passed-on",
  "superseded",
  "lifted",
  "add",
  "skip",
  "reassign",
  "extend",
] as const;

/** What the log's codes are called: steps, departments and the persons seen on tasks and receipts. */
function namesIn(incident: IncidentDetail, { t, say }: Words): Map<string, string> {
  const names = new Map<string, string>(CAUSES.map((cause) => [cause, t(`cause.${cause}`)]));
  for (const task of incident.runs.flatMap(({ tasks }) => tasks)) {
    names.set(task.step, say(task.title));
    names.set(task.unit, say(task.unit_title));
    for (const { to, to_title } of task.escalations) names.set(to, say(to_title));
    for (const person of [task.person, ...task.receipts.map(({ by }) => by)])
      if (person) names.set(person.id, say(person.name));
  }
  return names;
}

/** The log in words, oldest first. */
function useLogLines(incident: IncidentDetail): LogLine[] {
  const words = useWords();
  return useMemo(() => {
    const { t, say } = words;
    const names = namesIn(incident, words);
    const who = (actor: CityEvent["actor"]) =>
      actor === null
        ? ""
        : typeof actor === "string"
          ? (names.get(actor) ?? (actor.startsWith("system:") ? t("role.system") : actor.replace(/^user:/, "")))
          : say(actor.name) || actor.id;
    return incident.log.map((event) => ({
      seq: event.seq,
      at: event.at,
      what: eventWord(event.type, t),
      who: who(event.actor),
      words: describe(event, names, say),
    }));
  }, [incident, words]);
}

function Log({ incident, lines }: { incident: IncidentDetail; lines: readonly LogLine[] }) {
  const { t } = useWords();
  const newest = useMemo(() => [...lines].reverse(), [lines]);
  return (
    <Panel
      title={t("log.title")}
      aside={
        <span className="line">
          <LogCheck incident={incident.id} events={lines.length} />
          <span className="quiet">{t("log.count", { n: lines.length })}</span>
        </span>
      }
    >
      {lines.length === 0 ? (
        <Empty title={t("log.empty")} />
      ) : (
        <LongTable
          label={t("log.title")}
          test="incident-log"
          columns={4}
          count={newest.length}
          most={320}
          head={
            <tr>
              <th data-cell="plain">{t("time.at")}</th>
              <th data-cell="title">{t("log.what")}</th>
              <th data-cell="plain">{t("log.who")}</th>
              <th data-cell="plain">{t("log.about")}</th>
            </tr>
          }
          row={(index, props) => {
            const line = newest[index];
            return line === undefined ? null : (
              <tr key={line.seq} {...props}>
                <td>
                  <Moment at={line.at} shape="full" />
                </td>
                <td style={{ minWidth: 110 }}>{line.what}</td>
                <td className="quiet">{line.who}</td>
                <td className="quiet">{line.words}</td>
              </tr>
            );
          }}
        />
      )}
    </Panel>
  );
}

function describe({ data }: CityEvent, names: ReadonlyMap<string, string>, say: Words["say"]): string {
  const parts = [data.op, data.title, data.step, data.unit_title, data.unit, data.to, data.reason, data.note];
  const words = parts.flatMap((part) =>
    typeof part === "string"
      ? [names.get(part) ?? part]
      : typeof part === "object" && part !== null
        ? [say(part as Record<string, string>)]
        : [],
  );
  return [...new Set(words.filter((word) => word !== ""))].join(" · ");
}

/** Where residents told of it, when it began with them. */
function OfMatter({ incident }: { incident: string }) {
  const { t } = useWords();
  const matter = useMatterOf(useMay("report.read") ? incident : null).data;
  return matter ? <Link href={`/matters/${matter.id}`}>{t("incident.openMatter")}</Link> : null;
}
