/** The log that nobody can change: who did what, about whom and when; and the proof that nobody did change it. */

import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { useEffect } from "react";
import { useSearchParams } from "wouter";
import { query } from "../api/client";
import { useDepartments, useMay } from "../api/queries";
import { cityTime, dayStart } from "../time/format";
import { Allowed } from "../ui/Allowed";
import { DateField } from "../ui/DateField";
import { LongTable } from "../ui/LongTable";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment, useZone } from "../ui/Time";
import { type Entry, type Filter, useKinds, useLog } from "./queries";
import { VerifyPanel } from "./VerifyPanel";
import { useAuditWords } from "./words";

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const EARLIEST = 20; // rows below which one looks further back by oneself

/** The day after, as a calendar has it. */
const next = (day: string) => new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);

function useFilter(): { filter: Filter; from: string; to: string; set: (name: string, value: string) => void } {
  const zone = useZone();
  const [params, setParams] = useSearchParams();
  const day = (name: string) => {
    const value = params.get(name) ?? "";
    return DAY.test(value) && !Number.isNaN(Date.parse(value)) ? value : "";
  };
  const from = day("from");
  const to = day("to");
  return {
    from,
    to,
    filter: {
      actor: params.get("actor") ?? "",
      department: params.get("department") ?? "",
      kind: params.get("kind") ?? "",
      about: params.get("about") ?? "",
      restricted: params.get("restricted") === "true" ? true : null,
      since: from === "" ? null : dayStart(from, zone),
      until: to === "" ? null : dayStart(next(to), zone),
    },
    set: (name, value) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          if (value === "") after.delete(name);
          else after.set(name, value);
          return after;
        },
        { replace: true },
      ),
  };
}

export default function AuditPage() {
  const { p } = useAuditWords();
  const may = useMay("event.read");
  const chosen = useFilter();
  return (
    <div className="page">
      <div className="head">
        <h1 style={{ fontSize: 20, margin: 0 }}>{p("title")}</h1>
        {may && <Exports filter={chosen.filter} />}
      </div>
      <Allowed permission="event.read">
        <VerifyPanel />
        <Entries chosen={chosen} />
      </Allowed>
    </div>
  );
}

function Exports({ filter }: { filter: Filter }) {
  const { p } = useAuditWords();
  return (
    <div className="line">
      <span className="quiet">{p("exportWhy")}</span>
      {(["csv", "jsonl"] as const).map((format) => (
        <a
          key={format}
          href={`/api/audit/export${query({ ...filter, format })}`}
          download={`events.${format}`}
          data-testid={`audit-export-${format}`}
        >
          {p("export")} {format.toUpperCase()}
        </a>
      ))}
    </div>
  );
}

/** What is in the log, by what one is looking for. */
function Entries({ chosen }: { chosen: ReturnType<typeof useFilter> }) {
  const { p, say } = useAuditWords();
  const { filter, from, to, set } = chosen;
  const departments = useDepartments();
  const kinds = useKinds().data ?? [];
  const groups = [...new Set(kinds.map(({ kind }) => kind))];
  return (
    <Panel>
      <div className="body filters" style={{ paddingTop: 12 }}>
        <TextInput
          size="xs"
          label={p("who")}
          data-testid="audit-actor"
          value={filter.actor}
          onChange={({ currentTarget: { value } }) => set("actor", value)}
        />
        <NativeSelect
          size="xs"
          label={p("department")}
          value={filter.department}
          data={[
            { value: "", label: p("any") },
            ...(departments.data ?? []).map(({ code, title }) => ({ value: code, label: say(title) })),
          ]}
          onChange={({ currentTarget: { value } }) => set("department", value)}
        />
        <NativeSelect
          size="xs"
          label={p("kind")}
          data-testid="audit-kind"
          value={filter.kind}
          data={[
            { value: "", label: p("any") },
            ...groups.map((group) => ({
              group,
              items: [
                { value: group, label: `${group} ${p("all")}` },
                ...kinds
                  .filter(({ kind }) => kind === group)
                  .map(({ type, title }) => ({ value: type, label: say(title) })),
              ],
            })),
          ]}
          onChange={({ currentTarget: { value } }) => set("kind", value)}
        />
        <TextInput
          size="xs"
          label={p("about")}
          data-testid="audit-about"
          value={filter.about}
          onChange={({ currentTarget: { value } }) => set("about", value)}
        />
        <DateField size="xs" label={p("from")} value={from} change={(value) => set("from", value)} />
        <DateField
          size="xs"
          label={p("to")}
          value={to}
          error={from !== "" && to !== "" && from > to ? p("backwards") : undefined}
          change={(value) => set("to", value)}
        />
        <Checkbox
          size="xs"
          label={p("restricted")}
          data-testid="audit-restricted"
          checked={filter.restricted === true}
          onChange={({ currentTarget: { checked } }) => set("restricted", checked ? "true" : "")}
        />
      </div>
      <Log filter={filter} about={(stream) => set("about", stream)} />
    </Panel>
  );
}

function Log({ filter, about }: { filter: Filter; about: (stream: string) => void }) {
  const { p, say, t } = useAuditWords();
  const zone = useZone();
  const log = useLog(filter);
  const pages = log.data?.pages ?? [];
  const items = pages.flatMap((page) => page.items);
  const lookedTo = pages.at(-1)?.looked_to ?? null;
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = log;
  // What is rare lies far back: one looks on until a screen is full.
  const sparse = hasNextPage && items.length < EARLIEST && !isFetchNextPageError;
  // biome-ignore lint/correctness/useExhaustiveDependencies: each page that came without rows asks for the next
  useEffect(() => {
    if (sparse && !isFetchingNextPage) void fetchNextPage();
  }, [sparse, isFetchingNextPage, pages.length]);
  return (
    <Shown of={log} lines={8}>
      {() => (
        <>
          {items.length === 0 ? (
            hasNextPage ? (
              <Empty title={p("searching")} />
            ) : (
              <Empty title={p("none")}>{p("noneWhy")}</Empty>
            )
          ) : (
            <LongTable
              label={p("title")}
              test="audit-log"
              columns={4}
              count={items.length}
              pages={log}
              head={
                <tr>
                  <th data-cell="plain">{p("at")}</th>
                  <th data-cell="title">{p("event")}</th>
                  <th>{p("actor")}</th>
                  <th>{p("subject")}</th>
                </tr>
              }
              row={(index, props) => {
                const one = items[index];
                return one === undefined ? null : (
                  <tr key={one.seq} {...props} data-testid="audit-row" data-type={one.type}>
                    <td>
                      <Moment at={one.at} shape="full" />
                    </td>
                    <td>
                      <What of={one} />
                    </td>
                    <td>
                      {one.actor_name ? say(one.actor_name) : <span className="mono">{one.actor}</span>}
                      {one.actor_department !== null && <div className="quiet">{one.actor_department}</div>}
                    </td>
                    <td>
                      <button type="button" className="link mono" onClick={() => about(one.stream)}>
                        {one.stream}
                      </button>
                    </td>
                  </tr>
                );
              }}
            />
          )}
          {lookedTo !== null && (
            <div className="body line" style={{ paddingTop: 8 }}>
              <span className="quiet" role="status">
                {p("looked", { at: cityTime(lookedTo, zone, "minute") })}
              </span>
              {isFetchNextPageError && (
                <Button size="xs" variant="default" onClick={() => void fetchNextPage()}>
                  {t("state.retry")}
                </Button>
              )}
              {hasNextPage && !isFetchNextPageError && (
                <Button size="xs" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
                  {p("older")}
                </Button>
              )}
            </div>
          )}
        </>
      )}
    </Shown>
  );
}

function What({ of }: { of: Entry }) {
  const { p, say } = useAuditWords();
  return (
    <>
      {of.title === null ? of.type : say(of.title)} <span className="quiet mono">{of.type}</span>{" "}
      {of.restricted && <span className="tag">{p("limited")}</span>}
      <details>
        <summary className="quiet">{p("details")}</summary>
        <pre className="event-data" tabIndex={0}>
          {JSON.stringify(of.data, null, 1)}
          {`\n#${of.seq} ${of.id}\n${of.prev}\n→ ${of.hash}`}
        </pre>
      </details>
    </>
  );
}
