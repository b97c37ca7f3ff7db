/** Taking over what other systems know: cases, clauses, closed cases for the scores. First seen, then taken. */

import { Button, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { request } from "../api/client";
import type { Text } from "../api/types";
import { useCommand } from "../api/useCommand";
import { ownWords } from "../i18n/own";
import { Allowed } from "../ui/Allowed";
import { FileField } from "../ui/FileField";
import { Severity } from "../ui/Severity";
import { Empty, Failure, Panel } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { article } from "./article";
import { textOf } from "./given";
import { HistoryImport } from "./HistoryImport";
import { en } from "./import.en";
import { zh } from "./import.zh";
import { useKindTitle } from "./kinds";
import type { Case, Clause } from "./types";
import "./knowledge.css";
import "../ui/long.css";

export const useImportWords = ownWords(zh, en);
const KINDS = ["cases", "clauses", "history"] as const;
const PATIENCE_MS = 180_000;

export default function ImportPage() {
  const { p } = useImportWords();
  const [params] = useSearchParams();
  const what = KINDS.find((one) => one === params.get("what")) ?? "cases";
  return (
    <div className="page">
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/cases">{p("back")}</Link>
          </div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{p("title")}</h1>
          <span className="quiet">{p("about")}</span>
        </div>
        <nav className="tabs known-tabs" aria-label={p("title")}>
          {KINDS.map((one) => (
            <Link key={one} href={`/cases/import?what=${one}`} aria-current={one === what ? "page" : undefined}>
              {p(one)}
            </Link>
          ))}
        </nav>
      </div>
      <Allowed permission="case.manage">
        {what === "history" ? <HistoryImport /> : <TextImport key={what} what={what} />}
      </Allowed>
    </div>
  );
}

interface Refusal {
  row: number;
  reason: Text;
  remedy: Text | null;
}

type Checked = {
  imported: number;
  known: number;
  revised?: number;
  refused?: number;
  refusals?: Refusal[];
  items: (Case | (Clause & { state: "new" | "revised" | "known" }))[];
};

interface Given {
  origin: string;
  content: string;
  format?: "json" | "csv";
}

function TextImport({ what }: { what: "cases" | "clauses" }) {
  const { p } = useImportWords();
  const tell = useTell();
  const [name, setName] = useState("");
  const [content, setContent] = useState<string | null>(null);
  const [origin, setOrigin] = useState("");
  const [done, setDone] = useState<string | null>(null);
  const check = useMutation({
    mutationFn: (given: Given) => request<Checked>("POST", `/api/${what}/check`, given, PATIENCE_MS),
  });
  const take = useCommand<Record<"imported" | "revised" | "refused" | "known", number>>({
    done: (answer) => {
      setDone(p(what === "cases" ? "doneCases" : "doneClauses", answer));
      setContent(null);
      check.reset();
    },
    failed: tell.failed,
  });
  const given: Given = {
    origin: origin.trim(),
    content: content ?? "",
    ...(what === "cases" && { format: /^\s*\[/.test(content ?? "") || name.endsWith(".json") ? "json" : "csv" }),
  };
  const choose = (file: File) => {
    setName(file.name);
    setDone(null);
    check.reset();
    if (origin === "") setOrigin(file.name.replace(/\.\w+$/, "").slice(0, 80));
    textOf(file).then(setContent, tell.failed);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    check.mutate(given);
  };
  const found = check.data;
  const many = found ? found.imported + (found.revised ?? 0) : 0;
  return (
    <>
      <Panel title={p(what)}>
        <form className="body stack" onSubmit={submit}>
          <span className="quiet">{p(what === "cases" ? "casesAbout" : "clausesAbout")}</span>
          <div className="filters">
            <FileField
              accept={what === "cases" ? ".csv,.json" : ".toml,.json"}
              label={p("file")}
              chosen={choose}
              test="import-file"
            />
            <TextInput
              size="xs"
              w={260}
              required
              maxLength={80}
              label={p("origin")}
              data-testid="import-origin"
              value={origin}
              onChange={({ currentTarget: { value } }) => {
                setOrigin(value);
                check.reset();
              }}
            />
            <Button
              type="submit"
              size="xs"
              variant={found ? "default" : "filled"}
              disabled={content === null}
              loading={check.isPending}
              data-testid="import-check"
            >
              {p("check")}
            </Button>
          </div>
          {done !== null && (
            <p role="status" data-testid="import-done" style={{ margin: 0 }}>
              {done} · <Link href={what === "cases" ? "/cases" : "/clauses?on=all"}>{p("see")}</Link>
            </p>
          )}
        </form>
      </Panel>
      {check.error && (
        <Panel>
          <Failure error={check.error} />
        </Panel>
      )}
      {found && (
        <Panel
          title={<Counts of={found} />}
          aside={
            <Button
              size="xs"
              disabled={many === 0}
              loading={take.isPending}
              data-testid="import-take"
              onClick={() => take.mutate({ path: `/api/${what}/import`, body: { ...given } })}
            >
              {many === 0 ? p("nothing") : p("take", { n: many })}
            </Button>
          }
        >
          {(found.refusals?.length ?? 0) > 0 && <Refused of={found} />}
          {found.items.length > 0 && (what === "cases" ? <ShownCases of={found} /> : <ShownClauses of={found} />)}
          {found.items.length === 0 && !found.refusals?.length && <Empty title={p("nothing")} />}
        </Panel>
      )}
    </>
  );
}

function Counts({ of }: { of: Checked }) {
  const { p, number } = useImportWords();
  const counts = (
    [
      ["taken", of.imported],
      ["revised", of.revised],
      ["known", of.known],
      ["refused", of.refused],
    ] as const
  ).filter(([, n]) => n !== undefined);
  return (
    <span className="line" data-testid="import-counts">
      {counts.map(([name, n]) => (
        <span key={name}>
          {p(name)} {number(n, 0)}
        </span>
      ))}
    </span>
  );
}

/** A little table of the page, which stacks on a narrow screen. */
export function Rows({
  label,
  head,
  children,
  test,
}: {
  label: string;
  head: string[];
  children: ReactNode;
  test: string;
}) {
  return (
    <section className="long-scroll" style={{ maxHeight: 420 }} tabIndex={0} aria-label={label}>
      <h3 style={{ margin: 0, padding: "8px 12px 4px" }}>{label}</h3>
      <Table data-testid={test}>
        <thead>
          <tr>
            {head.map((one) => (
              <th key={one}>{one}</th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </Table>
    </section>
  );
}

function Refused({ of: { refusals = [], refused = 0 } }: { of: Checked }) {
  const { p, say, number } = useImportWords();
  const label = refused > refusals.length ? p("refusalsFirst", { n: refusals.length }) : p("refusals");
  return (
    <Rows label={label} head={[p("row"), p("why"), p("what")]} test="import-refusals">
      {refusals.map(({ row, reason, remedy }) => (
        <tr key={row}>
          <td className="numeric">{number(row, 0)}</td>
          <td className="late">{say(reason)}</td>
          <td>{say(remedy)}</td>
        </tr>
      ))}
    </Rows>
  );
}

function ShownCases({ of: { items } }: { of: Checked }) {
  const { p, t } = useImportWords();
  const title = useKindTitle();
  const cases = items as Case[];
  return (
    <Rows
      label={p("preview", { n: cases.length })}
      head={[t("incidents.level"), p("cases"), p("span")]}
      test="import-items"
    >
      {cases.map((one) => (
        <tr key={one.id}>
          <td>
            <Severity level={one.level} />
          </td>
          <td className="case-words">
            {title(one.kind)} <span className="quiet">{one.plan.id}</span>
            <div className="quiet clip">{one.text}</div>
          </td>
          <td>
            <Moment at={one.opened_at} /> – <Moment at={one.closed_at} />
          </td>
        </tr>
      ))}
    </Rows>
  );
}

function ShownClauses({ of: { items } }: { of: Checked }) {
  const { p, say, language } = useImportWords();
  const clauses = items as (Clause & { state: "new" | "revised" | "known" })[];
  const words = { new: "clauseNew", revised: "clauseRevised", known: "clauseKnown" } as const;
  return (
    <Rows label={p("clauses")} head={[p("clause"), p("state"), p("from")]} test="import-items">
      {clauses.map((one) => (
        <tr key={one.id}>
          <td>
            {say(one.title)} <span className="quiet mono">{one.id}</span>
            <div className="quiet">
              {say(one.law)} {article(one.article, language)}
            </div>
          </td>
          <td>
            <span className="tag" data-tone={one.state === "known" ? undefined : "accent"}>
              {p(words[one.state])}
            </span>
          </td>
          <td className="numeric">{one.from}</td>
        </tr>
      ))}
    </Rows>
  );
}
