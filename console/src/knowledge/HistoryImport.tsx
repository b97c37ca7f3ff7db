/** Closed cases of another system, for scores: choose what the columns mean, see what would be taken, take it in. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { Link } from "wouter";
import { request } from "../api/client";
import type { Iso, Text } from "../api/types";
import { CommandIds, useCommand } from "../api/useCommand";
import { JobProgress } from "../jobs/JobProgress";
import { type Job, underWay, useNewestJob } from "../jobs/queries";
import { cityTime } from "../time/format";
import { FileField } from "../ui/FileField";
import { Failure, Panel, Shown } from "../ui/states";
import { useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { header, packed, textOf, unpacked } from "./given";
import { Rows, useImportWords } from "./ImportPage";

const COLUMNS = ["case", "department", "started", "planned", "ended", "activity", "group", "at"] as const;
const NEEDED = new Set<string>(["case", "department", "started", "planned", "ended"]);
const PATIENCE_MS = 300_000;

interface Look {
  cases: number;
  activities: number;
  late: number;
  first: Iso | null;
  last: Iso | null;
  departments: { code: string; title: Text }[];
  left: { reason: Text; cases: number }[];
  lines: { line: number; case: string; reason: Text }[];
}

/** A file that was looked through, or one that is taken in: then `given.look` is the job that looked through it. */
type HistoryJob = Job<Partial<Look> & { tasks?: number }, { name: string; look?: string }>;

const KINDS = ["history-look", "history-take"] as const;

export function HistoryImport() {
  const newest = useNewestJob<HistoryJob>(KINDS, true);
  const [giving, setGiving] = useState(false); // another file instead of the one that was looked through
  return (
    <Shown of={newest} lines={6}>
      {(one) => {
        const looked = one !== null && one.kind === "history-look" && one.state === "done";
        return (
          <>
            {(one === null || (!underWay(one) && (!looked || giving))) && <GiveFile given={() => setGiving(false)} />}
            {one !== null && !giving && <Progress of={one} another={() => setGiving(true)} />}
          </>
        );
      }}
    </Shown>
  );
}

function GiveFile({ given }: { given: () => void }) {
  const { p } = useImportWords();
  const zone = useZone();
  const tell = useTell();
  const client = useQueryClient();
  const [file, setFile] = useState<{ name: string; text: string; columns: string[] } | null>(null);
  const [written, setWritten] = useState<{ name: string; text: string } | null>(null);
  const [columns, setColumns] = useState<Record<string, string>>({});
  const [words, setWords] = useState({ id: "", prefix: "", zh: "", en: "", unnamed: "" });
  const ids = useRef(new CommandIds()); // the same file pressed again after a lost answer is the same click
  const give = useMutation({
    mutationFn: async ({ name, text }: { name: string; text: string }) => {
      const form = new FormData();
      const asked = written?.text ?? mapping();
      form.set("mapping", asked);
      form.set("command_id", ids.current.of({ path: "/api/history/files", body: { name, text, asked } }));
      const sent = await packed(name, text);
      form.set("file", sent.blob, sent.name);
      return request<HistoryJob>("POST", "/api/history/files", form, PATIENCE_MS);
    },
    onSuccess: async () => {
      ids.current.done();
      await client.invalidateQueries({ queryKey: ["jobs"] });
      given();
    },
  });
  const mapping = () => {
    const title = { "zh-CN": words.zh.trim(), en: words.en.trim() || words.zh.trim() };
    const named = Object.fromEntries(Object.entries(columns).filter(([, column]) => column !== ""));
    const unnamed = ["", ...words.unnamed.split(/[,，]/).map((one) => one.trim())];
    return JSON.stringify({
      id: words.id.trim(),
      prefix: words.prefix.trim(),
      zone,
      title,
      source: title,
      unnamed,
      columns: named,
    });
  };
  const choose = (chosen: File) => {
    give.reset();
    const read = chosen.name.endsWith(".gz") ? unpacked(chosen) : textOf(chosen);
    read.then((text) => {
      const there = header(text);
      setFile({ name: chosen.name.replace(/\.gz$/, ""), text, columns: there });
      // columns that are called what they are need no choosing
      setColumns(Object.fromEntries(COLUMNS.filter((one) => there.includes(one)).map((one) => [one, one])));
      if (words.id === "")
        setWords({
          ...words,
          id: chosen.name
            .replace(/\..*$/, "")
            .toLowerCase()
            .replace(/[^a-z0-9.-]+/g, "-")
            .slice(0, 40),
        });
    }, tell.failed);
  };
  const three = ["activity", "group", "at"].filter((one) => columns[one]).length;
  const whole = written !== null || (three % 3 === 0 && [...NEEDED].every((one) => columns[one]));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (file) give.mutate(file);
  };
  return (
    <Panel title={p("history")}>
      <form className="body stack" onSubmit={submit}>
        <span className="quiet">{p("historyAbout")}</span>
        <div className="filters">
          <FileField accept=".csv,.gz" label={p("file")} chosen={choose} test="history-file" />
          <FileField
            accept=".toml,.json"
            label={written ? p("mappingChosen", { name: written.name }) : p("mappingFile")}
            chosen={(file) => void textOf(file).then((text) => setWritten({ name: file.name, text }), tell.failed)}
            test="history-mapping"
          />
        </div>
        {file && written === null && (
          <fieldset className="trial-form" style={{ border: 0, margin: 0, padding: 0 }}>
            <legend>
              <strong>{p("mapping")}</strong>
            </legend>
            {(
              [
                ["id", "system", true, "[a-z0-9][a-z0-9.\\-]{0,39}"],
                ["prefix", "prefix", false, "[a-z0-9][a-z0-9.\\-]{0,39}"],
                ["zh", "nameZh", true, undefined],
                ["en", "nameEn", false, undefined],
                ["unnamed", "unnamed", false, undefined],
              ] as const
            ).map(([name, label, required, pattern]) => (
              <TextInput
                key={name}
                size="xs"
                label={p(label)}
                required={required}
                pattern={pattern}
                maxLength={100}
                data-testid={`history-${name}`}
                value={words[name]}
                onChange={({ currentTarget: { value } }) => setWords({ ...words, [name]: value })}
              />
            ))}
            {COLUMNS.map((one) => (
              <NativeSelect
                key={one}
                size="xs"
                required={NEEDED.has(one)}
                label={p("column", { what: p(`col_${one}`) })}
                data-testid={`history-column-${one}`}
                data={[{ value: "", label: p("none") }, ...file.columns.map((name) => ({ value: name, label: name }))]}
                value={columns[one] ?? ""}
                onChange={({ currentTarget: { value } }) => setColumns({ ...columns, [one]: value })}
              />
            ))}
          </fieldset>
        )}
        {three % 3 !== 0 && <span className="late">{p("threeOrNone")}</span>}
        {give.error && <Failure error={give.error} />}
        <div>
          <Button
            type="submit"
            size="xs"
            disabled={file === null || !whole}
            loading={give.isPending}
            data-testid="history-check"
          >
            {p("check")}
          </Button>
        </div>
      </form>
    </Panel>
  );
}

function Progress({ of, another }: { of: HistoryJob; another: () => void }) {
  const { p, say, number } = useImportWords();
  const zone = useZone();
  const tell = useTell();
  const take = useCommand<HistoryJob>({ failed: tell.failed });
  const looking = of.kind === "history-look";
  const look = looking && of.state === "done" ? (of.result as Look | null) : null;
  const taken = looking ? null : of.result;
  const begin = (id: string) => take.mutate({ path: "/api/history/take", body: { look: id } });
  return (
    <Panel
      title={of.given.name}
      aside={
        look !== null ? (
          <span className="line">
            <Button size="xs" variant="default" onClick={another}>
              {p("another")}
            </Button>
            <Button
              size="xs"
              disabled={look.cases === 0}
              loading={take.isPending}
              data-testid="history-take"
              onClick={() => begin(of.id)}
            >
              {look.cases > 0 ? p("takeHistory", { n: number(look.cases, 0) }) : p("nothing")}
            </Button>
          </span>
        ) : of.given.look !== undefined && (of.state === "stopped" || of.state === "interrupted") ? (
          <Button
            size="xs"
            loading={take.isPending}
            data-testid="history-go-on"
            onClick={() => begin(of.given.look as string)}
          >
            {p("goOn")}
          </Button>
        ) : undefined
      }
    >
      <div className="body stack" data-testid="history" data-kind={of.kind} data-state={of.state}>
        {underWay(of) && <span>{p(looking ? "checking" : "taking", { name: of.given.name })}</span>}
        <JobProgress of={of} />
        {!looking && (of.state === "stopped" || of.state === "interrupted") && <span>{p("stopped")}</span>}
        {taken && (
          <span data-testid="history-done" role="status">
            {p("doneHistory", {
              cases: number(taken.cases ?? 0, 0),
              tasks: number(taken.tasks ?? 0, 0),
              late: number(taken.late ?? 0, 0),
            })}{" "}
            · <Link href="/scores">{p("scores")}</Link>
          </span>
        )}
        {look !== null && (
          <>
            <strong>
              {p("wouldTake", {
                cases: number(look.cases, 0),
                activities: number(look.activities, 0),
                late: number(look.late, 0),
              })}
            </strong>
            <dl className="pairs">
              {look.first !== null && look.last !== null && (
                <>
                  <dt>{p("span")}</dt>
                  <dd>
                    {cityTime(look.first, zone, "date")} – {cityTime(look.last, zone, "date")}
                  </dd>
                </>
              )}
              <dt>{p("departments")}</dt>
              <dd>
                {look.departments.map(({ code, title }) => (
                  <div key={code}>
                    {say(title)} {say(title) === code && <span className="quiet">{p("codes")}</span>}
                  </div>
                ))}
              </dd>
              <dt>{p("left")}</dt>
              <dd>
                {look.left.length === 0
                  ? p("noLines")
                  : look.left.map(({ reason, cases }) => (
                      <div key={say(reason)}>{p("leftLine", { reason: say(reason), n: number(cases, 0) })}</div>
                    ))}
              </dd>
            </dl>
          </>
        )}
      </div>
      {look !== null && look.lines.length > 0 && (
        <Rows
          label={p("refusalsFirst", { n: look.lines.length })}
          head={[p("line"), p("number"), p("why")]}
          test="history-lines"
        >
          {look.lines.map(({ line, case: id, reason }) => (
            <tr key={`${line} ${id}`}>
              <td className="numeric">{line}</td>
              <td className="mono">{id}</td>
              <td>{say(reason)}</td>
            </tr>
          ))}
        </Rows>
      )}
    </Panel>
  );
}
