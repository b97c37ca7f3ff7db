/** Regulation clauses with the time for which they hold and what they ask for. */

import { Button, NativeSelect } from "@mantine/core";
import { useMemo } from "react";
import { Link, useSearchParams } from "wouter";
import { useMay } from "../api/queries";
import { useNow } from "../live/LiveProvider";
import { cityTime } from "../time/format";
import { DateField } from "../ui/DateField";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { useZone } from "../ui/Time";
import { Levels } from "./Advice";
import "./knowledge.css";
import { article } from "./article";
import { useKindTitle } from "./kinds";
import { usePageWords } from "./pages";
import { useClauses } from "./queries";
import { Tabs } from "./Tabs";
import type { Clause } from "./types";

export default function Clauses() {
  const may = useMay("case.manage");
  const { p } = usePageWords();
  const [params, setParams] = useSearchParams();
  const today = cityTime(useNow(), useZone(), "date");
  const day = params.get("on") ?? today;
  const kind = params.get("kind") ?? "";
  const clauses = useClauses();
  const title = useKindTitle();
  const kinds = useMemo(
    () => [...new Set((clauses.data ?? []).flatMap(({ mandates }) => mandates.map((one) => one.kind)))].sort(),
    [clauses.data],
  );
  const change = (set: Record<string, string | null>) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        for (const [name, value] of Object.entries(set)) value ? after.set(name, value) : after.delete(name);
        return after;
      },
      { replace: true },
    );
  const shown = (clauses.data ?? []).filter(
    (clause) =>
      (kind === "" || clause.mandates.some((one) => one.kind === kind)) &&
      (day === "all" || holds(clause, day) === "now"),
  );
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{p("clauses.title")}</h1>
          <span className="quiet">{p("clauses.subtitle")}</span>
        </div>
        <span className="line">
          <Tabs at="clauses" />
          {may && (
            <Button
              component={Link}
              href="/cases/import?what=clauses"
              size="xs"
              variant="default"
              data-testid="import-open"
            >
              {p("import")}
            </Button>
          )}
        </span>
      </div>
      <div className="line" style={{ alignItems: "flex-end" }}>
        <DateField
          label={p("clauses.on")}
          data-testid="clauses-on"
          value={day === "all" ? "" : day}
          change={(value) => change({ on: value || "all" })}
        />
        <NativeSelect
          label={p("clauses.kind")}
          data={[
            { value: "", label: p("clauses.anyKind") },
            ...kinds.map((code) => ({ value: code, label: title(code) })),
          ]}
          value={kind}
          onChange={(event) => change({ kind: event.currentTarget.value || null })}
        />
        <Button
          variant={day === "all" ? "filled" : "default"}
          aria-pressed={day === "all"}
          data-testid="clauses-all"
          onClick={() => change({ on: day === "all" ? null : "all" })}
        >
          {p("clauses.anyDay")}
        </Button>
        <span className="quiet numeric">{clauses.data && p("clauses.count", { n: shown.length })}</span>
      </div>
      <Shown of={clauses} lines={6}>
        {() =>
          shown.length === 0 ? (
            <Panel>
              <Empty title={p("clauses.empty")}>{p("clauses.emptyWhy")}</Empty>
            </Panel>
          ) : (
            <div className="stack" style={{ gap: 12 }}>
              {shown.map((clause) => (
                <ClauseCard key={clause.id} clause={clause} state={holds(clause, today)} />
              ))}
            </div>
          )
        }
      </Shown>
    </div>
  );
}

/** Whether a clause holds on a day; days are ISO dates, the end is the first day on which it does not. */
export function holds({ from, until }: Pick<Clause, "from" | "until">, day: string): "now" | "over" | "notYet" {
  if (day < from) return "notYet";
  return until !== null && day >= until ? "over" : "now";
}

function ClauseCard({ clause, state }: { clause: Clause; state: ReturnType<typeof holds> }) {
  const { k, p, say, unit, length, language } = usePageWords();
  const title = useKindTitle();
  return (
    <Panel
      title={say(clause.title)}
      aside={
        <span className="line">
          <span className="numeric">
            {clause.until === null
              ? p("clauses.from", { from: clause.from })
              : p("clauses.between", { from: clause.from, until: clause.until })}
          </span>
          <span className="tag" data-tone={state === "now" ? "accent" : undefined}>
            {p(`clauses.${state}`)}
          </span>
          {!clause.verified && <span className="tag">{k("clauses.unverified")}</span>}
        </span>
      }
    >
      <div className="body stack" data-testid="clause">
        <div className="quiet">
          {say(clause.law)} {article(clause.article, language)}
        </div>
        <div>{say(clause.text)}</div>
        {clause.mandates.length > 0 && (
          <section className="flush" tabIndex={0} aria-label={p("clauses.mandates")}>
            <Table>
              <thead>
                <tr>
                  <th>{p("clauses.mandates")}</th>
                  <th data-cell="plain">{p("case.unit")}</th>
                  <th data-cell="plain">{p("cases.level")}</th>
                  <th>{p("cases.kind")}</th>
                  <th className="right">{p("case.due")}</th>
                </tr>
              </thead>
              <tbody>
                {clause.mandates.map((one, at) => (
                  <tr key={at}>
                    <td>
                      {say(one.duty) || one.step}
                      {one.stage && <span className="quiet"> · {p("clauses.stage", { stage: one.stage })}</span>}
                    </td>
                    <td>{unit(one.unit)}</td>
                    <td>
                      <Levels levels={one.levels} />
                    </td>
                    <td>{title(one.kind)}</td>
                    <td className="right">{length(one.due)}</td>
                  </tr>
                ))}
              </tbody>
            </Table>
          </section>
        )}
        <div className="quiet">{p("clauses.source", { source: say(clause.source) })}</div>
      </div>
    </Panel>
  );
}
