/** Finding a firm, a site, a vehicle: by a part of its name, a code, a plate; or looking through all of a kind. */

import { NativeSelect, TextInput } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { More } from "../ui/More";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { path, SubjectLink, Tabs } from "./parts";
import { useFigures, useSubjects } from "./queries";
import { KINDS } from "./types";
import { useSubjectWords } from "./words";

const TYPING_MS = 250;

export default function Subjects() {
  const { s, say, number } = useSubjectWords();
  const [, go] = useLocation();
  const [params, setParams] = useSearchParams();
  const q = params.get("q") ?? "";
  const kind = params.get("kind");
  const [typed, setTyped] = useState(q);
  const pages = useSubjects(q, kind);
  const figures = useFigures().data;
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.focus(), []);
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
  useEffect(() => {
    if (typed.trim() === q) return;
    const timer = setTimeout(() => change("q", typed.trim().slice(0, 200)), TYPING_MS);
    return () => clearTimeout(timer);
  });
  const found = pages.data?.pages.flatMap(({ items }) => items) ?? [];
  const total = pages.data?.pages[0]?.total ?? null;
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{s("title")}</h1>
          <span className="quiet">{s("subtitle")}</span>
        </div>
        <Tabs at="subjects" />
      </div>
      <div className="line subject-search">
        <TextInput
          ref={box}
          type="search"
          className="wide-search"
          aria-label={s("search")}
          placeholder={s("search")}
          data-testid="subject-search"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <NativeSelect
          aria-label={s("kind")}
          data-testid="subject-kind"
          data={[
            { value: "", label: s("anyKind") },
            ...KINDS.map((one) => {
              const known = figures?.kinds.find((each) => each.kind === one);
              return { value: one, label: known ? `${say(known.title)} ${number(known.subjects, 0)}` : one };
            }),
          ]}
          value={kind ?? ""}
          onChange={(event) => change("kind", event.currentTarget.value)}
        />
        <span className="quiet numeric" role="status">
          {pages.data && (total === null ? s("found", { n: found.length }) : s("count", { n: number(total, 0) }))}
        </span>
      </div>
      <Panel>
        <Shown of={pages} lines={8}>
          {() =>
            found.length === 0 ? (
              <Empty title={s("empty")}>{s("emptyWhy")}</Empty>
            ) : (
              <section className="flush" tabIndex={0} aria-label={s("title")}>
                <Table className="subjects">
                  <thead>
                    <tr>
                      <th data-cell="plain">{s("kind")}</th>
                      <th data-cell="title">{s("name")}</th>
                      <th data-cell="plain">{s("identifiers")}</th>
                      <th data-cell="plain">{s("area")}</th>
                      <th data-cell="plain">{s("sources")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {found.map((one) => (
                      <tr key={one.id} data-link data-testid="subject-row" onClick={() => go(path(one.id))}>
                        <td>
                          <span className="tag">{say(one.kind_title)}</span>
                        </td>
                        {/* biome-ignore lint/a11y/useKeyWithClickEvents: the link inside is what the keyboard uses */}
                        <td onClick={(event) => event.stopPropagation()}>
                          <SubjectLink of={one} />
                          {one.address && <div className="quiet clip">{one.address}</div>}
                        </td>
                        <td className="mono">
                          {one.identifiers
                            .map(({ value }) => value)
                            .slice(0, 2)
                            .join(" · ")}
                        </td>
                        <td>{one.area ? say(one.area.title) : "—"}</td>
                        <td>{s("sources.count", { n: one.datasets })}</td>
                      </tr>
                    ))}
                  </tbody>
                </Table>
                <More pages={pages}>{s("more")}</More>
              </section>
            )
          }
        </Shown>
      </Panel>
      {figures && figures.dropped.length > 0 && (
        <details className="dropped">
          <summary>{s("figures.dropped")}</summary>
          <p>
            {s("figures.droppedWhy")} <span className="mono">{`${s("figures.model")} ${figures.model}`}</span>
          </p>
          <ul>
            {figures.dropped.slice(0, 20).map((one) => (
              <li key={`${one.kind} ${one.mark} ${one.record}`} className="mono">
                {`${one.kind} · ${one.mark} · ${s("figures.shared", { n: number(one.size, 0) })}`}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
