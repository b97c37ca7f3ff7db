/** Rows in quarantine, of one source or of all: filtered by what is in the address, tried again step by step. */

import { Button, NativeSelect, Progress } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";
import { Link, useSearchParams } from "wouter";
import { useMay, useSources } from "../api/queries";
import type { QuarantineRow } from "../api/types";
import { More } from "../ui/More";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useDeliveryName, Why } from "./parts";
import { type Chosen, type QuarantinePage, useQuarantine } from "./queries";
import { ReplayResult, useReplaying } from "./Replaying";
import { useFlowWords } from "./words";

const STATES = ["open", "replayed", "dismissed", "all"] as const;
/** Rows that gave way to another one are tried again only when they are asked for by their reason. */
const ONLY_BY_REASON = ["duplicate", "conflicting_duplicate"];

export function Quarantine({ source }: { source: string | null }) {
  const { f, t, number } = useFlowWords();
  const [params] = useSearchParams();
  const chosen: Chosen = {
    source: source ?? params.get("source"),
    reason: params.get("reason"),
    field: params.get("field"),
    state: STATES.find((one) => one === params.get("state")) ?? "open",
  };
  const mayRead = useMay("quarantine.read");
  const rows = useQuarantine(chosen, mayRead);
  const replaying = useReplaying();
  const first = rows.data?.pages[0];
  const items = rows.data?.pages.flatMap((page) => page.items) ?? [];
  if (!mayRead)
    return (
      <Panel title={f("quarantine.title")}>
        <Empty title={t("state.forbidden")}>{t("state.forbiddenRemedy")}</Empty>
      </Panel>
    );
  return (
    <>
      {replaying.at && <ReplayResult result={replaying.at} running={replaying.running} />}
      <Panel
        title={f("quarantine.title")}
        aside={
          first && (
            <span className="quiet numeric" data-testid="quarantine-count">
              {f("quarantine.count", { n: number(first.total, 0) })}
            </span>
          )
        }
      >
        <Filters chosen={chosen} everywhere={source === null} facets={first?.facets} replaying={replaying} />
        <Shown of={rows} lines={5}>
          {() =>
            items.length === 0 ? (
              <Empty title={f("quarantine.empty")}>{f("quarantine.emptyWhy")}</Empty>
            ) : (
              <>
                <Rows rows={items} everywhere={source === null} />
                <More pages={rows}>{f("quarantine.next")}</More>
              </>
            )
          }
        </Shown>
      </Panel>
    </>
  );
}

function Filters({
  chosen,
  everywhere,
  facets,
  replaying,
}: {
  chosen: Chosen;
  everywhere: boolean;
  facets: QuarantinePage["facets"] | undefined;
  replaying: ReturnType<typeof useReplaying>;
}) {
  const { f, say, code, number } = useFlowWords();
  const [, setParams] = useSearchParams();
  const sources = useSources();
  const mayReplay = useMay("quarantine.replay");
  const change = (name: string, value: string | null) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === null) after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  const titles = new Map(sources.data?.items.map((one) => [one.id, say(one.title)]));
  const options = (
    of: "source" | "reason" | "field",
    all: string,
    word: (value: string) => string,
  ): { value: string; label: string }[] => {
    const found = Object.entries(facets?.[of] ?? {}).filter(([value]) => value !== "");
    const here = chosen[of];
    if (here !== null && !found.some(([value]) => value === here)) found.push([here, 0]);
    return [
      { value: "", label: all },
      ...found.sort((a, b) => b[1] - a[1]).map(([value, n]) => ({ value, label: `${word(value)} · ${number(n, 0)}` })),
    ];
  };
  const open = Object.entries(facets?.source ?? {}).filter(([id]) => chosen.source === null || id === chosen.source);
  const willTry =
    chosen.reason === null
      ? Object.entries(facets?.reason ?? {}).some(([one]) => !ONLY_BY_REASON.includes(one))
      : open.length > 0;
  return (
    <div className="body line flow-filters">
      {everywhere && (
        <NativeSelect
          size="xs"
          aria-label={f("sources.title")}
          data-testid="quarantine-source"
          data={options("source", f("quarantine.allSources"), (id) => titles.get(id) ?? id)}
          value={chosen.source ?? ""}
          onChange={({ currentTarget: { value } }) => change("source", value || null)}
        />
      )}
      <NativeSelect
        size="xs"
        aria-label={f("quarantine.reason")}
        data-testid="quarantine-reason"
        data={options("reason", f("quarantine.allReasons"), (one) => code("reason", one))}
        value={chosen.reason ?? ""}
        onChange={({ currentTarget: { value } }) => change("reason", value || null)}
      />
      <NativeSelect
        size="xs"
        aria-label={f("bad.field")}
        data-testid="quarantine-field"
        data={options("field", f("quarantine.allFields"), (one) => one)}
        value={chosen.field ?? ""}
        onChange={({ currentTarget: { value } }) => change("field", value || null)}
      />
      <NativeSelect
        size="xs"
        aria-label={f("quarantine.state")}
        data-testid="quarantine-state"
        data={STATES.map((one) => ({ value: one, label: one === "all" ? f("state.all") : f(`quarantine.${one}`) }))}
        value={chosen.state}
        onChange={({ currentTarget: { value } }) => change("state", value === "open" ? null : value)}
      />
      <span className="spacer" />
      {mayReplay && chosen.state === "open" && !replaying.running && (
        <Button
          size="xs"
          data-testid="replay"
          disabled={!willTry}
          title={f("quarantine.replayWhat")}
          onClick={() =>
            void replaying.start(
              open.map(([id]) => id),
              chosen.reason,
              chosen.field,
              open.reduce((sum, [, n]) => sum + n, 0),
            )
          }
        >
          {f("replay")}
        </Button>
      )}
      {replaying.running && replaying.at && (
        <span className="line" style={{ minWidth: 220 }}>
          <Progress
            style={{ flex: 1 }}
            value={replaying.at.of > 0 ? (100 * replaying.at.tried) / replaying.at.of : 0}
            aria-label={f("replay")}
          />
          <span className="quiet numeric">
            {number(replaying.at.tried, 0)} / {number(replaying.at.of, 0)}
          </span>
          <Button size="xs" variant="default" data-testid="replay-stop" onClick={replaying.stop}>
            {f("replay.stop")}
          </Button>
        </span>
      )}
    </div>
  );
}

function Rows({ rows, everywhere }: { rows: QuarantineRow[]; everywhere: boolean }) {
  const { f, code } = useFlowWords();
  const called = useDeliveryName();
  const box = useRef<HTMLDivElement>(null);
  const shown = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => 36,
    overscan: 10,
  });
  return (
    <div
      ref={box}
      role="table"
      tabIndex={0}
      aria-label={f("quarantine.title")}
      style={{ maxHeight: everywhere ? 600 : 380, overflow: "auto" }}
    >
      <div role="row" tabIndex={-1} className="quiet flow-bad-row flow-bad-head">
        {(["at", "row", "delivery", "reason", "raw"] as const).map((name) => (
          <span key={name} role="columnheader">
            {f(`quarantine.col.${name}`)}
          </span>
        ))}
      </div>
      <div className="flow-bad-rows" style={{ height: shown.getTotalSize() }}>
        {shown.getVirtualItems().map(({ index, start, key }) => {
          const row = rows[index];
          if (row === undefined) return null;
          return (
            <div
              key={key}
              role="row"
              tabIndex={-1}
              data-testid="quarantine-row"
              data-index={index}
              ref={shown.measureElement}
              className="flow-bad-row"
              style={{ top: start }}
            >
              <span role="cell">
                <Moment at={row.at} shape="short" />
              </span>
              <span role="cell" className="numeric">
                <Link href={`/quarantine/${encodeURIComponent(row.id)}`} data-testid="quarantine-open">
                  {row.row || f("bad.whole")}
                </Link>
              </span>
              <span role="cell" className="mono" style={{ overflowWrap: "anywhere" }}>
                <Link href={`/deliveries/${encodeURIComponent(row.delivery)}`}>{called(row.name) || row.delivery}</Link>
              </span>
              <span role="cell" title={code("reason", row.reason.code)}>
                <Why reason={row.reason} />
              </span>
              <span role="cell">
                <Raw row={row} most={400} />
              </span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** What came, as far as one may see it. */
export function Raw({ row, most }: { row: QuarantineRow; most: number }) {
  const { f } = useFlowWords();
  const withheld = row.withheld;
  return (
    <>
      {row.raw !== "" && <code className="raw">{row.raw.length > most ? `${row.raw.slice(0, most)}…` : row.raw}</code>}
      {withheld && (
        <span className="quiet">
          {withheld.all ? f("raw.withheldAll") : f("raw.withheld", { columns: withheld.columns.join(", ") })}
        </span>
      )}
    </>
  );
}
