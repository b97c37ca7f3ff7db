/** Closed cases: what was done, how it went, how long it took. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { useMay } from "../api/queries";
import { useWords } from "../i18n";
import { More } from "../ui/More";
import { Severity } from "../ui/Severity";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { Went } from "./Advice";
import { useKindTitle } from "./kinds";
import { usePageWords } from "./pages";
import { useCases } from "./queries";
import { Tabs } from "./Tabs";

const LEVELS = ["red", "orange", "yellow", "blue"] as const;
const TYPING_MS = 300;

export default function Cases() {
  const may = useMay("case.manage");
  const { k, p, length, number } = usePageWords();
  const { t } = useWords();
  const [, go] = useLocation();
  const [params, setParams] = useSearchParams();
  const text = params.get("text");
  const [typed, setTyped] = useState(text ?? "");
  const kind = params.get("kind");
  const level = params.get("level");
  const pages = useCases({ kind, level, text });
  const title = useKindTitle();
  const all = useCases({ kind: null, level: null, text: null }).data;
  const kinds = useMemo(
    () => [...new Set((all?.pages ?? []).flatMap(({ items }) => items.map((one) => one.kind)))].sort(),
    [all],
  );
  const change = (name: string, value: string) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === "") after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: true },
    );
  // What is typed is asked for once the typing rests.
  useEffect(() => {
    if (typed.trim() === (text ?? "")) return;
    const timer = setTimeout(() => change("text", typed.trim().slice(0, 80)), TYPING_MS);
    return () => clearTimeout(timer);
  });
  const found = pages.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{p("cases.title")}</h1>
          <span className="quiet">{p("cases.subtitle")}</span>
        </div>
        <span className="line">
          <Tabs at="cases" />
          {may && (
            <Button
              component={Link}
              href="/cases/import?what=cases"
              size="xs"
              variant="default"
              data-testid="import-open"
            >
              {p("import")}
            </Button>
          )}
        </span>
      </div>
      <div className="line">
        <TextInput
          type="search"
          aria-label={p("cases.search")}
          placeholder={p("cases.search")}
          data-testid="case-search"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <NativeSelect
          aria-label={p("cases.kind")}
          data={[
            { value: "", label: p("cases.anyKind") },
            ...[...new Set([...kinds, ...(kind ? [kind] : [])])].map((code) => ({ value: code, label: title(code) })),
          ]}
          value={kind ?? ""}
          onChange={(event) => change("kind", event.currentTarget.value)}
        />
        <NativeSelect
          aria-label={p("cases.level")}
          data-testid="case-level"
          data={[
            { value: "", label: p("cases.anyLevel") },
            ...LEVELS.map((name, at) => ({ value: String(at + 1), label: t(`severity.${name}`) })),
          ]}
          value={level ?? ""}
          onChange={(event) => change("level", event.currentTarget.value)}
        />
        <span className="quiet numeric">
          {pages.data && p("cases.count", { n: number(pages.data.pages[0]?.total ?? 0, 0) })}
        </span>
      </div>
      <Panel>
        <Shown of={pages} lines={8}>
          {() =>
            found.length === 0 ? (
              <Empty title={p(kind || level || text ? "cases.empty" : "cases.none")}>{p("cases.emptyWhy")}</Empty>
            ) : (
              <section className="flush" tabIndex={0} aria-label={p("cases.title")}>
                <Table className="cases">
                  <thead>
                    <tr>
                      <th data-cell="plain">{t("incidents.level")}</th>
                      <th data-cell="title">{k("case.what")}</th>
                      <th>{k("case.plan")}</th>
                      <th data-cell="plain">{k("case.went")}</th>
                      <th className="right">{k("case.took")}</th>
                      <th>{p("case.opened")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {found.map((one) => (
                      <tr
                        key={one.id}
                        data-link
                        data-testid="case-row"
                        onClick={() => go(`/cases/${encodeURIComponent(one.id)}`)}
                      >
                        <td>
                          <Severity level={one.level} />
                        </td>
                        <td className="case-words">
                          <Link
                            href={`/cases/${encodeURIComponent(one.id)}`}
                            onClick={(event) => event.stopPropagation()}
                          >
                            {title(one.kind)}
                          </Link>
                          <div className="quiet clip">{one.text}</div>
                        </td>
                        <td>
                          {one.plan.id}
                          <div className="quiet">
                            {one.changes.length > 0
                              ? k("case.changes", { n: one.changes.length })
                              : p("case.noChanges")}
                          </div>
                        </td>
                        <td>
                          <Went of={one} />
                        </td>
                        <td className="right">{length(one.seconds)}</td>
                        <td>
                          <Moment at={one.opened_at} />
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </Table>
                <More pages={pages}>{p("cases.more")}</More>
              </section>
            )
          }
        </Shown>
      </Panel>
    </div>
  );
}
