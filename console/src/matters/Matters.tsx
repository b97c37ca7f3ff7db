/** What residents reported: the queue of matters worked with J, K and Enter, and where they are. */

import { Button, NativeSelect } from "@mantine/core";
import { type RefObject, useCallback, useEffect, useMemo, useRef } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { useDepartments, useMay } from "../api/queries";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useWaiting } from "./files";
import "./matters.css";
import { useMatters, useServices } from "./queries";
import { StateTag } from "./StateTag";
import type { Matter } from "./types";
import { Legend, type Spot, Where } from "./Where";
import { useMatterWords } from "./words";

const TABS = ["open", "dispatched", "closed", "dismissed", "all"] as const;
const ORDERS = ["changed", "reports"] as const;

export default function Matters() {
  const { m, say, number } = useMatterWords();
  const [, go] = useLocation();
  const [params, setParams] = useSearchParams();
  const mayTake = useMay("report.file");
  const waiting = useWaiting(mayTake).data?.total ?? 0;
  const state = params.get("state") ?? "open";
  const order = params.get("order") === "reports" ? "reports" : "changed";
  const service = params.get("service");
  const unit = params.get("unit");
  const chosen = params.get("matter");
  const services = useServices().data ?? [];
  const departments = useDepartments().data ?? [];
  const pages = useMatters({ state: state === "all" ? null : state, service, unit });
  const newest = pages.data?.pages.at(0);
  const loaded = useMemo(() => pages.data?.pages.flatMap(({ items }) => items) ?? [], [pages.data]);
  const queue = useMemo(
    () =>
      order === "changed"
        ? loaded
        : [...loaded].sort((a, b) => b.reports - a.reports || b.updated_at.localeCompare(a.updated_at)),
    [loaded, order],
  );
  const change = useCallback(
    (set: Record<string, string | null>) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [key, value] of Object.entries(set)) {
            if (value === null || value === "") after.delete(key);
            else after.set(key, value);
          }
          return after;
        },
        { replace: true },
      ),
    [setParams],
  );
  const select = useCallback((id: string) => change({ matter: id }), [change]);
  const open = useCallback((id: string) => go(`/matters/${id}`), [go]);
  const list = useRef<HTMLUListElement>(null);
  useKeys(queue, chosen, select, open, list);
  const spots = useMemo<Spot[]>(
    () =>
      queue.map((matter) => ({
        key: matter.id,
        name: matter.service_title ?? { "zh-CN": matter.service, en: matter.service },
        place: matter.place,
        reports: matter.reports,
        at: matter.last_at,
      })),
    [queue],
  );
  const placed = spots.filter(({ place }) => place !== null).length;
  const pick = useCallback(
    (id: string) => {
      select(id);
      list.current?.querySelector(`[data-id="${CSS.escape(id)}"]`)?.scrollIntoView({ block: "nearest" });
    },
    [select],
  );
  const counts = newest?.counts ?? {};
  const count = (tab: (typeof TABS)[number]) =>
    tab === "all" ? Object.values(counts).reduce((sum, n) => sum + n, 0) : (counts[tab] ?? 0);
  return (
    <div className="matters">
      <div className="head matters-head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{m("title")}</h1>
          <span className="quiet">{m("subtitle")}</span>
        </div>
        {mayTake && (
          <span className="line">
            <Button component={Link} href="/matters/files" variant="default" data-testid="files-open">
              {m("files.short")}
              {waiting > 0 && (
                <span className="tag" data-tone="late" style={{ marginLeft: 6 }} data-testid="files-waiting">
                  {m("files.waiting", { n: number(waiting, 0) })}
                </span>
              )}
            </Button>
            <Button component={Link} href="/matters/new" data-testid="take-open">
              {m("take")}
            </Button>
          </span>
        )}
      </div>
      <div className="filters" role="group" aria-label={m("filter.label")}>
        <Button.Group className="matter-tabs" aria-label={m("filter.state")}>
          {TABS.map((one) => (
            <Button
              key={one}
              size="xs"
              variant={state === one ? "filled" : "default"}
              aria-pressed={state === one}
              data-testid={`matters-${one}`}
              onClick={() => change({ state: one === "open" ? null : one, matter: null })}
            >
              {one === "all" ? m("filter.all") : m(`state.${one}`)}
              {newest && <span className="tab-count numeric">{number(count(one), 0)}</span>}
            </Button>
          ))}
        </Button.Group>
        <NativeSelect
          size="xs"
          aria-label={m("filter.service")}
          data-testid="filter-service"
          data={[
            { value: "", label: m("filter.allServices") },
            ...services.map(({ code, title }) => ({ value: code, label: say(title) })),
          ]}
          value={service ?? ""}
          onChange={(event) => change({ service: event.currentTarget.value, matter: null })}
        />
        <NativeSelect
          size="xs"
          aria-label={m("filter.unit")}
          data-testid="filter-unit"
          data={[
            { value: "", label: m("filter.allUnits") },
            ...departments.map(({ code, title }) => ({ value: code, label: say(title) })),
          ]}
          value={unit ?? ""}
          onChange={(event) => change({ unit: event.currentTarget.value, matter: null })}
        />
        <NativeSelect
          size="xs"
          aria-label={m("sort.label")}
          data-testid="sort"
          data={ORDERS.map((one) => ({ value: one, label: m(`sort.${one}`) }))}
          value={order}
          onChange={(event) =>
            change({ order: event.currentTarget.value === "changed" ? null : event.currentTarget.value })
          }
        />
      </div>
      <Panel
        className="list-area"
        title={m("list.title")}
        aside={
          newest && (
            <span className="quiet numeric">
              {order === "reports" && pages.hasNextPage
                ? m("sort.loaded", { n: loaded.length, total: newest.total })
                : m("list.count", { n: number(newest.total, 0) })}
            </span>
          )
        }
      >
        <Shown of={pages} lines={8}>
          {() =>
            queue.length === 0 ? (
              <Empty title={m("list.empty")}>{m("list.emptyWhy")}</Empty>
            ) : (
              <ul ref={list} className="queue" aria-label={m("list.title")}>
                {queue.map((matter) => (
                  <Row key={matter.id} matter={matter} chosen={matter.id === chosen} select={select} open={open} />
                ))}
                {pages.hasNextPage && (
                  <li style={{ padding: 8 }}>
                    <Button
                      fullWidth
                      size="xs"
                      variant="default"
                      loading={pages.isFetchingNextPage}
                      onClick={() => void pages.fetchNextPage()}
                    >
                      {m("list.more", { n: Math.min(200, (newest?.total ?? 0) - loaded.length) })}
                    </Button>
                  </li>
                )}
              </ul>
            )
          }
        </Shown>
        <div className="keys line quiet queue-keys">
          <span>
            <kbd>J</kbd> <kbd>K</kbd> {m("keys.move")}
          </span>
          <span>
            <kbd>↵</kbd> {m("keys.open")}
          </span>
        </div>
      </Panel>
      <Panel
        className="map-area"
        title={m("map.title")}
        aside={<span className="quiet">{m("map.placed", { n: placed, rest: queue.length - placed })}</span>}
      >
        {newest && <Where key={placed === 0 ? "none" : "some"} spots={spots} selected={chosen} select={pick} />}
        <Legend />
      </Panel>
    </div>
  );
}

/** J and K move through the queue, wherever the focus is; Enter opens what is chosen. */
function useKeys(
  queue: readonly Matter[],
  chosen: string | null,
  select: (id: string) => void,
  open: (id: string) => void,
  list: RefObject<HTMLUListElement | null>,
) {
  const latest = useRef({ queue, chosen, select, open });
  latest.current = { queue, chosen, select, open };
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const { target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      const present = latest.current;
      const at = present.queue.findIndex(({ id }) => id === present.chosen);
      const key = event.key.toLowerCase();
      if (key === "j" || key === "k") {
        const to = at === -1 ? 0 : Math.min(present.queue.length - 1, Math.max(0, at + (key === "j" ? 1 : -1)));
        const next = present.queue[to];
        if (next === undefined) return;
        present.select(next.id);
        list.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(next.id)}"]`)?.focus();
      } else if (
        event.key === "Enter" &&
        at !== -1 &&
        !(target instanceof HTMLElement && /^(A|BUTTON)$/.test(target.tagName))
      )
        present.open(present.chosen ?? "");
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [list]);
}

function Row({
  matter,
  chosen,
  select,
  open,
}: {
  matter: Matter;
  chosen: boolean;
  select: (id: string) => void;
  open: (id: string) => void;
}) {
  const { m, say, reports } = useMatterWords();
  const { proposed } = matter;
  const reason = proposed.candidates[0]?.reasons[0];
  return (
    <li className="matter">
      <button
        type="button"
        className="entry"
        data-testid="matter-row"
        data-id={matter.id}
        aria-current={chosen}
        onClick={() => (chosen ? open(matter.id) : select(matter.id))}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          open(matter.id);
        }}
      >
        <span className="line">
          <span className="count numeric" data-many={matter.reports > 1}>
            {reports(matter.reports)}
          </span>
          <strong>{say(matter.service_title) || matter.service}</strong>
        </span>
        <StateTag state={matter.state} />
        <span className="told">{matter.title}</span>
        <span className="quiet">
          {matter.address || m("list.noAddress")} · {m("list.last")} <Moment at={matter.last_at} shape="short" />
        </span>
        <span className="whom">
          {matter.handler ? (
            m("list.handler", { unit: say(matter.handler_title) })
          ) : proposed.unit ? (
            <>
              {m("list.proposed", { unit: say(proposed.unit_title) })}
              {reason && <span className="quiet"> · {say(reason)}</span>}
            </>
          ) : matter.state === "open" ? (
            <span className="quiet">{m("list.noProposal")}</span>
          ) : null}
        </span>
      </button>
      {chosen && (
        <Link href={`/matters/${matter.id}`} className="open-matter" data-testid="matter-open">
          {m("keys.open")}
        </Link>
      )}
    </li>
  );
}
