/** The flow of data from every department into the city: what is wrong first, then how much comes from whom. */

import { TextInput } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { Link, useLocation, useSearchParams } from "wouter";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { urgency, WORST_FIRST } from "./layout";
import { Picture } from "./Picture";
import { Choice, Figure, Quality, Spark, StateWord, troubled } from "./parts";
import { useFlow } from "./queries";
import { Tabs } from "./Tabs";
import type { FlowDepartment, FlowState, Over, Overview, Wanting } from "./types";
import { type FlowKey, useFlowWords } from "./words";

const OVER: readonly Over[] = ["now", "hour", "day"];
const SHOWN_AT_ONCE = 6;
const SHOWN_ON_A_WALL = 14;

function useSettings() {
  const [params, setParams] = useSearchParams();
  const one = <T extends string>(name: string, among: readonly T[], usual: T) =>
    among.find((each) => each === params.get(name)) ?? usual;
  const set = (name: string, value: string | null) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === null || value === "") after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  return {
    over: one<Over>("over", OVER, "hour"),
    view: one("view", ["picture", "table"], "picture"),
    state: one<FlowState | "all">("state", [...WORST_FIRST, "all"], "all"),
    find: params.get("q") ?? "",
    sort: one<SortBy>("sort", SORTS, "state"),
    set,
  };
}

export default function FlowPage() {
  const { f } = useFlowWords();
  const flow = useFlow();
  const settings = useSettings();
  const { over, view, set } = settings;
  return (
    <div className="page flow-page">
      <div className="head">
        <div className="line">
          <h1 style={{ fontSize: 20, margin: 0 }}>{f("flow.title")}</h1>
          <Tabs at="flow" />
        </div>
        <div className="line">
          <Choice
            label={f("flow.over")}
            among={OVER.map((one) => [one, f(`over.${one}`)] as const)}
            value={over}
            choose={(value) => set("over", value === "hour" ? null : value)}
            testid="flow-over"
          />
          <Choice
            label={f("flow.as")}
            among={(["picture", "table"] as const).map((one) => [one, f(`flow.${one}`)] as const)}
            value={view}
            choose={(value) => set("view", value === "picture" ? null : value)}
            testid="flow-view"
          />
        </div>
      </div>
      <Shown of={flow} lines={10}>
        {(overview) =>
          overview.departments.length === 0 ? (
            <Panel>
              <Empty title={f("empty.title")}>{f("empty.why")}</Empty>
            </Panel>
          ) : (
            <div className="flow-grid">
              <div className="flow-first">
                <Totals overview={overview} over={over} />
                <Attention overview={overview} />
              </div>
              {view === "picture" && (
                <Panel>
                  <Picture overview={overview} over={over} />
                </Panel>
              )}
              <Departments overview={overview} settings={settings} />
            </div>
          )
        }
      </Shown>
    </div>
  );
}

function Totals({ overview, over }: { overview: Overview; over: Over }) {
  const { f, rate, number, bytes, percent, state } = useFlowWords();
  const { total } = overview;
  const delivering = overview.departments.filter(({ sources }) => sources > 0).length;
  return (
    <Panel>
      <dl className="flow-figures" data-testid="flow-totals">
        <Figure name={`${f("total.rate")} · ${f(`over.${over}`)}`} note={<Spark values={total.minutes} width={120} />}>
          <span data-testid="flow-rate">{rate(total.rate[over])}</span>
        </Figure>
        <Figure name={f("total.day")} note={bytes(total.bytes_day)}>
          {number(total.rows.day, 0)}
        </Figure>
        <Figure name={f("total.quality")}>{percent(total.quality)}</Figure>
        <Figure name={f("total.open")}>
          <span className={total.open > 0 ? "flow-poor" : undefined}>{number(total.open, 0)}</span>
        </Figure>
        <Figure name={f("total.sources")} note={f("total.ofDepartments", { n: delivering })}>
          {number(total.sources, 0)}
        </Figure>
        <div className="flow-figure">
          <dt>{f("table.state")}</dt>
          <dd className="line">
            {WORST_FIRST.filter((one) => one !== "none" && total.states[one] > 0).map((one) => (
              <span key={one} className="line" style={{ gap: 4 }}>
                <StateWord state={one} /> <strong className="numeric">{number(total.states[one as "ok"], 0)}</strong>
              </span>
            ))}
            {total.sources === 0 && <span className="quiet">{state("none")}</span>}
          </dd>
        </div>
      </dl>
      {total.sources > 0 && total.last_delivery_at === null && (
        <Empty title={f("silent.title")}>{f("silent.why")}</Empty>
      )}
    </Panel>
  );
}

function Attention({ overview }: { overview: Overview }) {
  const { f, say, length, number } = useFlowWords();
  const { attention } = overview;
  const wall = useMediaQuery("(min-width: 2400px)", false, { getInitialValueInEffect: false });
  if (attention.length === 0 && overview.total.last_delivery_at === null) return null;
  if (attention.length === 0)
    return (
      <p className="flow-calm" data-testid="flow-calm">
        <StateWord state="ok" /> {f("attention.none")}
      </p>
    );
  const shown = attention.slice(0, wall ? SHOWN_ON_A_WALL : SHOWN_AT_ONCE);
  const since = (one: Wanting) =>
    one.freshness_seconds === null
      ? f("attention.never")
      : f(one.state === "late" ? "attention.since" : "attention.came", { length: length(one.freshness_seconds) });
  return (
    <Panel
      title={f("attention.title")}
      aside={<span className="quiet numeric">{f("attention.count", { n: number(attention.length, 0) })}</span>}
      className="flow-attention"
    >
      <ul data-testid="flow-attention">
        {shown.map((one) => (
          <li key={one.id} data-source={one.id} data-state={one.state}>
            <StateWord state={one.state} />
            <div>
              <Link href={`/sources/${encodeURIComponent(one.id)}`}>{say(one.title)}</Link>{" "}
              <span className="quiet">{say(one.department_title)}</span>
              {one.reason && <div>{say(one.reason)}</div>}
            </div>
            <span className="numeric flow-since">
              {since(one)}
              {one.failures > 1 && <span className="quiet">{f("attention.failures", { n: one.failures })}</span>}
            </span>
          </li>
        ))}
      </ul>
      {attention.length > shown.length && (
        <p className="body quiet" style={{ margin: 0 }}>
          {f("attention.more", { n: number(attention.length - shown.length, 0) })}
        </p>
      )}
    </Panel>
  );
}

const SORTS = ["state", "department", "rate", "day", "quality", "open", "freshness"] as const;
type SortBy = (typeof SORTS)[number];

const ORDER: Record<SortBy, (one: FlowDepartment, over: Over) => number> = {
  state: (one, over) => urgency(one.state) * 1e9 - one.rate[over],
  department: () => 0,
  rate: (one, over) => -one.rate[over],
  day: (one) => -one.rows.day,
  quality: (one) => one.quality ?? 2,
  open: (one) => -one.open,
  freshness: (one) => -(one.freshness_seconds ?? -1),
};

function Departments({ overview, settings }: { overview: Overview; settings: ReturnType<typeof useSettings> }) {
  const { f, say, number, rate, length, state: word, language } = useFlowWords();
  const [, go] = useLocation();
  const { over, state, find, sort, set } = settings;
  const wanted = find.trim().toLowerCase();
  const items = overview.departments
    .filter((one) => state === "all" || one.state === state)
    .filter(({ title, code }) => `${code} ${title["zh-CN"]} ${title.en}`.toLowerCase().includes(wanted));
  if (sort === "department") items.sort((one, other) => say(one.title).localeCompare(say(other.title), language));
  else items.sort((one, other) => ORDER[sort](one, over) - ORDER[sort](other, over));
  const counts = new Map<FlowState, number>();
  for (const one of overview.departments) counts.set(one.state, (counts.get(one.state) ?? 0) + 1);
  const heading = (by: SortBy, right = false) => {
    const column = f(`table.${by}` as FlowKey);
    return (
      <th
        key={by}
        data-cell={by === "state" ? "plain" : by === "department" ? "title" : undefined}
        className={right ? "right" : undefined}
        aria-sort={sort === by ? "other" : undefined}
      >
        <button
          type="button"
          className="plain flow-sort"
          aria-label={f("table.sort", { column })}
          data-chosen={sort === by}
          onClick={() => set("sort", by === "state" ? null : by)}
        >
          {column}
        </button>
      </th>
    );
  };
  return (
    <Panel
      title={f("table.label")}
      aside={
        <span className="line">
          <span className="quiet numeric">
            {f("table.shown", { n: items.length, total: overview.departments.length })}
          </span>
          <Choice
            label={f("state.filter")}
            among={[
              ["all", f("state.all")] as const,
              ...WORST_FIRST.filter((one) => counts.has(one)).map(
                (one) => [one, `${word(one)} ${counts.get(one)}`] as const,
              ),
            ]}
            value={state as FlowState | "all"}
            choose={(value) => set("state", value === "all" ? null : value)}
            testid="flow-states"
          />
          <TextInput
            size="xs"
            w={170}
            aria-label={f("table.find")}
            placeholder={f("table.find")}
            value={find}
            onChange={({ currentTarget: { value } }) => set("q", value)}
          />
        </span>
      }
    >
      {items.length === 0 ? (
        <Empty title={f("table.nothing")}>{f("table.nothingWhy")}</Empty>
      ) : (
        <section className="flush" tabIndex={0} aria-label={f("table.label")}>
          <Table className="flow-table" data-testid="flow-table">
            <thead>
              <tr>
                {heading("state")}
                {heading("department")}
                <th className="right flow-more">{f("table.sources")}</th>
                {heading("rate", true)}
                <th className="flow-more">{f("table.hours")}</th>
                {heading("day", true)}
                {heading("quality", true)}
                {heading("open", true)}
                {heading("freshness", true)}
              </tr>
            </thead>
            <tbody>
              {items.map((one) => {
                const href = `/flow/${encodeURIComponent(one.code)}`;
                return (
                  <tr
                    key={one.code}
                    data-link
                    data-department={one.code}
                    data-state={one.state}
                    onClick={() => go(href)}
                  >
                    <td>
                      <StateWord state={one.state} />
                    </td>
                    <td className="wide">
                      <Link href={href} onClick={(event) => event.stopPropagation()}>
                        {say(one.title)}
                      </Link>
                    </td>
                    <td className="right flow-more">{one.sources === 0 ? "—" : <Ratio of={one} />}</td>
                    <td className="right">{one.sources === 0 ? "—" : rate(one.rate[over])}</td>
                    <td className="flow-more">
                      <Spark values={one.hours} />
                    </td>
                    <td className="right">{one.sources === 0 ? "—" : number(one.rows.day, 0)}</td>
                    <td className="right">
                      <Quality share={one.quality} />
                    </td>
                    <td className="right">{one.open > 0 ? number(one.open, 0) : <span className="quiet">0</span>}</td>
                    <td className={troubled(one.state) ? "right flow-poor" : "right"}>
                      {length(one.freshness_seconds)}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </Table>
        </section>
      )}
    </Panel>
  );
}

/** How many sources there are, and how many of them need somebody. */
function Ratio({ of }: { of: FlowDepartment }) {
  const { number } = useFlowWords();
  const wrong = of.states.failing + of.states.refused + of.states.late;
  return wrong === 0 ? (
    number(of.sources, 0)
  ) : (
    <>
      <span className="flow-poor">{number(wrong, 0)}</span>/{number(of.sources, 0)}
    </>
  );
}
