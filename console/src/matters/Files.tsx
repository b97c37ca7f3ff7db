/** Files of the hotline's own system: handing one over, what came of each, and the rows that were no reports. */

import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { useRef, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { post, query } from "../api/client";
import { useMay } from "../api/queries";
import { CommandIds } from "../api/useCommand";
import { HandFiles } from "../hand/HandFiles";
import { sizeWords } from "../hand/size";
import { More } from "../ui/More";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import "./matters.css";
import { type Counts, type Desk, type Refused, type Sought, useDesk, useRefused, useWaiting } from "./files";
import { ReasonSheet } from "./ReasonSheet";
import { isKey, useMatterWords } from "./words";

const STATES = ["waiting", "mended", "dismissed"] as const;

export default function Files() {
  const { m, t } = useMatterWords();
  const may = useMay("report.file");
  const desk = useDesk(may);
  const [handing, setHanding] = useState(false);
  const most = desk.data?.pages[0];
  if (!may)
    return (
      <div className="page">
        <Panel>
          <Empty title={t("state.forbidden")}>{t("state.forbiddenRemedy")}</Empty>
        </Panel>
      </div>
    );
  return (
    <div className="page">
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/matters">{m("title")}</Link> / {m("files.short")}
          </div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{m("files.title")}</h1>
          <span className="quiet">{m("files.subtitle")}</span>
        </div>
        <Button data-testid="hand-open" disabled={most === undefined} onClick={() => setHanding(true)}>
          {m("files.hand")}
        </Button>
      </div>
      {handing && most && <Hand most={most} close={() => setHanding(false)} />}
      <RefusedRows />
      <Panel title={m("files.desk")}>
        <Shown of={desk} lines={4}>
          {({ pages }) => {
            const items = pages.flatMap((page) => page.items);
            return items.length === 0 ? (
              <Empty title={m("files.none")}>{m("files.noneWhy")}</Empty>
            ) : (
              <>
                <History items={items} />
                <More pages={desk}>{m("files.more")}</More>
              </>
            );
          }}
        </Shown>
      </Panel>
    </div>
  );
}

function Hand({ most, close }: { most: Desk; close: () => void }) {
  const { m, number } = useMatterWords();
  // As it was the last time: the same system keeps its name, or its reports would be taken for others.
  const known = most.items.find((one) => one.type === "intake.taken")?.data.source;
  const [source, setSource] = useState(known ?? "hotline");
  return (
    <HandFiles<Counts & { bytes: number }>
      title={m("files.hand")}
      most={most.most_bytes}
      path={(name) => `/api/reports/files${query({ name, source: source.trim() })}`}
      touches={["matters"]}
      outcome={(done) => <Came of={done} />}
      ready={source.trim() !== ""}
      close={close}
    >
      <p style={{ margin: 0 }}>
        {m("files.what", { most: sizeWords(most.most_bytes, number), rows: number(most.most_rows, 0) })}
      </p>
      <details>
        <summary>{m("files.columns")}</summary>
        <p style={{ margin: "6px 0 0" }}>{m("files.columnsAre")}</p>
      </details>
      <TextInput
        label={m("files.source")}
        description={m("files.sourceHint")}
        required
        maxLength={80}
        data-testid="hand-source"
        value={source}
        onChange={(event) => setSource(event.currentTarget.value)}
      />
    </HandFiles>
  );
}

/** What came of a file, in figures that say what they count. */
function Came({ of }: { of: Counts }) {
  const { m, number } = useMatterWords();
  const joined = of.new - of.matters;
  const parts = [
    ...(of.new > 0 ? [m("came.new", { n: number(of.new, 0) })] : []),
    ...(of.matters > 0 ? [m("came.matters", { n: number(of.matters, 0) })] : []),
    ...(joined > 0 ? [m("came.joined", { n: number(joined, 0) })] : []),
    ...(of.revised > 0 ? [m("came.revised", { n: number(of.revised, 0) })] : []),
    ...(of.same > 0 ? [m("came.same", { n: number(of.same, 0) })] : []),
    ...(of.mended > 0 ? [m("came.mended", { n: number(of.mended, 0) })] : []),
  ];
  return (
    <>
      {parts.length === 0 && of.refused === 0 ? m("came.nothing") : parts.join(" · ")}
      {of.refused > 0 && parts.length > 0 && " · "}
      {of.refused > 0 && (
        <span className="status" data-tone="late">
          {m("came.refused", { n: number(of.refused, 0) })}
        </span>
      )}
    </>
  );
}

function History({ items }: { items: Desk["items"] }) {
  const { m, say, number } = useMatterWords();
  const left = useWaiting(true).data?.facets.file ?? {};
  // A name may come again: what waits stands by the newest file of that name.
  const newest = new Map(
    items
      .filter(({ type }) => type === "intake.taken")
      .reverse()
      .map((one) => [one.data.file, one.id]),
  );
  const waiting = (one: Desk["items"][number]) =>
    newest.get(one.data.file) === one.id ? (left[one.data.file ?? ""] ?? 0) : 0;
  return (
    <div className="flush">
      <Table>
        <thead>
          <tr>
            <th data-cell="title">{m("files.file")}</th>
            <th>{m("files.when")}</th>
            <th>{m("files.who")}</th>
            <th>{m("files.came")}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((one) => (
            <tr key={one.id} data-testid="desk-row" data-type={one.type}>
              <td>
                {one.type === "intake.taken" ? (
                  <>
                    <span className="mono" style={{ overflowWrap: "anywhere" }}>
                      {one.data.file}
                    </span>{" "}
                    <span className="quiet">{m("files.from", { source: one.data.source })}</span>
                  </>
                ) : (
                  m("files.leftOut", { n: number(one.data.rows, 0) })
                )}
              </td>
              <td>
                <Moment at={one.at} ago />
              </td>
              <td>{say(one.actor_name) || m("history.city")}</td>
              <td>
                {one.type === "intake.taken" ? (
                  <>
                    <Came of={one.data} />{" "}
                    {waiting(one) > 0 && (
                      <Link href={`/matters/files${query({ file: one.data.file })}`} data-testid="desk-refused">
                        {m("files.waiting", { n: number(waiting(one), 0) })}
                      </Link>
                    )}
                  </>
                ) : (
                  <>
                    {one.data.file && <span className="mono">{one.data.file} </span>}
                    {m("files.because", { reason: one.data.reason })}
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </div>
  );
}

// ── rows that were no reports ──────────────────────────────────────────────────────────────────────────────────

function RefusedRows() {
  const { m, say, number } = useMatterWords();
  const [params, setParams] = useSearchParams();
  const sought: Sought = {
    state: STATES.find((one) => one === params.get("state")) ?? "waiting",
    file: params.get("file"),
    code: params.get("code"),
  };
  const rows = useRefused(sought);
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  /** As it was when it was pressed: what comes while the reason is written was seen by nobody. */
  const [leaving, setLeaving] = useState<Leaving | null>(null);
  const first = rows.data?.pages[0];
  const items = rows.data?.pages.flatMap((page) => page.items) ?? [];
  const here = items.filter(({ id }) => chosen.has(id));
  const pressed = (those: readonly string[] | null, n: number): Leaving => ({
    rows: those,
    n,
    every: { file: sought.file, code: sought.code, upto: items[0]?.at ?? "" },
  });
  const change = (name: "state" | "file" | "code", value: string) => {
    choose(new Set());
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === "" || (name === "state" && value === "waiting")) after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  };
  const options = (of: "file" | "code", all: string, word: (value: string) => string) => {
    const found = Object.entries(first?.facets[of] ?? {});
    const value = sought[of];
    if (value !== null && !found.some(([one]) => one === value)) found.push([value, 0]);
    return [
      { value: "", label: all },
      ...found.map(([one, n]) => ({ value: one, label: `${word(one)} · ${number(n, 0)}` })),
    ];
  };
  const waiting = sought.state === "waiting";
  return (
    <Panel
      title={m("refused.title")}
      aside={
        first && (
          <span className="quiet numeric" data-testid="refused-count">
            {m("refused.count", { n: number(first.total, 0) })}
          </span>
        )
      }
    >
      <div className="body line" role="group" aria-label={m("filter.label")}>
        <NativeSelect
          size="xs"
          aria-label={m("filter.state")}
          data-testid="refused-state"
          data={STATES.map((one) => ({
            value: one,
            label: `${m(`refused.${one}`)} · ${number(first?.facets.state[one] ?? 0, 0)}`,
          }))}
          value={sought.state}
          onChange={({ currentTarget: { value } }) => change("state", value)}
        />
        <NativeSelect
          size="xs"
          aria-label={m("files.file")}
          data-testid="refused-file"
          data={options("file", m("refused.allFiles"), (one) => one)}
          value={sought.file ?? ""}
          onChange={({ currentTarget: { value } }) => change("file", value)}
        />
        <NativeSelect
          size="xs"
          aria-label={m("refused.why")}
          data-testid="refused-code"
          data={options("code", m("refused.allReasons"), (one) => say(first?.reasons[one]) || one)}
          value={sought.code ?? ""}
          onChange={({ currentTarget: { value } }) => change("code", value)}
        />
        <span className="spacer" />
        {waiting && items.length > 0 && (
          <>
            {here.length > 0 && (
              <Button
                size="xs"
                data-testid="dismiss-chosen"
                onClick={() =>
                  setLeaving(
                    pressed(
                      here.map(({ id }) => id),
                      here.length,
                    ),
                  )
                }
              >
                {m("refused.leaveChosen", { n: number(here.length, 0) })}
              </Button>
            )}
            <Button
              size="xs"
              variant="default"
              data-testid="dismiss-every"
              onClick={() => setLeaving(pressed(null, first?.total ?? 0))}
            >
              {m("refused.leaveEvery", { n: number(first?.total ?? 0, 0) })}
            </Button>
          </>
        )}
      </div>
      <Shown of={rows} lines={5}>
        {() =>
          items.length === 0 ? (
            <Empty title={m(`refused.empty.${sought.state}`)}>{m("refused.emptyWhy")}</Empty>
          ) : (
            <>
              <Rows rows={items} chosen={waiting ? chosen : null} choose={choose} />
              <More pages={rows}>{m("refused.more")}</More>
            </>
          )
        }
      </Shown>
      {leaving && (
        <LeaveOut
          {...leaving}
          close={() => setLeaving(null)}
          done={() => {
            choose(new Set());
            setLeaving(null);
            void rows.refetch();
          }}
        />
      )}
    </Panel>
  );
}

function Rows({
  rows,
  chosen,
  choose,
}: {
  rows: readonly Refused[];
  /** Null where nothing is decided any more. */
  chosen: ReadonlySet<string> | null;
  choose: (chosen: ReadonlySet<string>) => void;
}) {
  const { m, say } = useMatterWords();
  const all = chosen !== null && rows.every(({ id }) => chosen.has(id));
  const toggle = (id: string) => {
    const after = new Set(chosen);
    if (!after.delete(id)) after.add(id);
    choose(after);
  };
  return (
    <div className="flush">
      <Table>
        <thead>
          <tr>
            {chosen && (
              <th data-cell="pick">
                <Checkbox
                  size="xs"
                  aria-label={m("refused.chooseAll", { n: rows.length })}
                  data-testid="choose-all"
                  checked={all}
                  indeterminate={!all && chosen.size > 0}
                  onChange={() => choose(all ? new Set() : new Set(rows.map(({ id }) => id)))}
                />
              </th>
            )}
            <th data-cell="title">{m("refused.why")}</th>
            <th>{m("refused.where")}</th>
            <th>{m("files.when")}</th>
            <th>{m("refused.raw")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id} data-testid="refused-row">
              {chosen && (
                <td>
                  <Checkbox
                    size="xs"
                    aria-label={m("refused.choose", { file: row.file, n: row.row })}
                    checked={chosen.has(row.id)}
                    onChange={() => toggle(row.id)}
                  />
                </td>
              )}
              <td>
                <strong className="sentence">{say(row.message)}</strong>
              </td>
              <td>
                <span className="mono" style={{ overflowWrap: "anywhere" }}>
                  {row.file}
                </span>{" "}
                <span className="quiet numeric">{m("refused.row", { n: row.row })}</span>
              </td>
              <td>
                <Moment at={row.at} shape="short" />
              </td>
              <td>
                <What raw={row.raw} code={row.code} />
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </div>
  );
}

/** Which columns a reason is about. */
const ABOUT: Record<string, readonly string[]> = {
  text_long: ["text"],
  text_empty: ["text"],
  address_long: ["address"],
  id: ["external"],
  service: ["service"],
  place: ["lon", "lat"],
  swapped: ["lon", "lat"],
  outside: ["lon", "lat"],
  time: ["at"],
  future: ["at"],
  old: ["at"],
};

/** What stood in the row, without what belongs to a person: column by column, else as it was. */
function What({ raw, code }: { raw: string; code: string }) {
  const { m } = useMatterWords();
  const told = record(raw);
  if (told === null)
    return raw === "" ? <span className="quiet">{m("refused.nothing")}</span> : <code className="raw">{raw}</code>;
  const about = ABOUT[code] ?? [];
  const missing = about.filter((one) => told[one] === undefined);
  const word = (column: string) => {
    const key = `column.${column}`;
    return isKey(key) ? m(key) : column;
  };
  return (
    <dl className="refused-row">
      {[...Object.entries(told), ...missing.map((one) => [one, m("refused.missing")] as const)].map(
        ([column, value]) => (
          <div key={column} data-wrong={about.includes(column)}>
            <dt>{word(column)}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

function record(raw: string): Record<string, string> | null {
  try {
    const told: unknown = JSON.parse(raw);
    return typeof told === "object" && told !== null && !Array.isArray(told)
      ? Object.fromEntries(Object.entries(told).map(([name, value]) => [name, String(value)]))
      : null;
  } catch {
    return null;
  }
}

/** As many as one command takes. */
const TOGETHER = 200;

interface Leaving {
  /** Null: every one that is sought. */
  rows: readonly string[] | null;
  n: number;
  every: { file: string | null; code: string | null; upto: string };
}

function LeaveOut({ rows, n, every, close, done }: Leaving & { close: () => void; done: () => void }) {
  const { m, number } = useMatterWords();
  const tell = useTell();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const ids = useRef(new CommandIds());
  const send = async (reason: string) => {
    setBusy(true);
    setError(null);
    try {
      let left = 0;
      const parts = rows === null ? [null] : chunks(rows, TOGETHER);
      for (const part of parts) {
        const path = "/api/reports/refused/dismiss";
        const body = { reason, ...(part === null ? { every } : { rows: part }) };
        const answer = await post<{ dismissed: number }>(path, { ...body, command_id: ids.current.of({ path, body }) });
        ids.current.done();
        left += answer.dismissed;
      }
      tell.done(m("refused.left", { n: number(left, 0) }));
      done();
    } catch (cause) {
      setError(cause);
    } finally {
      setBusy(false);
    }
  };
  return (
    <ReasonSheet
      title={m("refused.leaveTitle", { n: number(n, 0) })}
      meaning={m("refused.leaveMeaning")}
      confirm={m("refused.leaveConfirm")}
      testid="leave-out"
      busy={busy}
      error={error}
      send={(reason) => void send(reason)}
      close={close}
    />
  );
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, at) => all.slice(at * size, (at + 1) * size));
}
