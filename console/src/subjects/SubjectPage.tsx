/** One subject from all sides: who it is, why each record is here, what happened, what it is tied to, what is not shared. */

import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Link, useLocation, useParams, useSearch } from "wouter";
import { useMay } from "../api/queries";
import { useCommand } from "../api/useCommand";
import { SubjectTabs } from "../declared/SubjectTabs";
import { labelOf } from "../ui/Cell";
import { Sheet } from "../ui/Sheet";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { path, SubjectLink, useCalled, WhyHere } from "./parts";
import { useRows, useSubject, useTies } from "./queries";
import type { Source, Subject } from "./types";
import { type SubjectKey, useSubjectWords } from "./words";

const SubjectTab = lazy(async () => ({ default: (await import("../declared/pages")).SubjectTab }));
const TiesPicture = lazy(async () => ({ default: (await import("./TiesPicture")).TiesPicture }));

export default function SubjectPage() {
  const { id = "" } = useParams<{ id: string }>();
  const found = useSubject(id);
  return (
    <div className="page">
      <Shown of={found} lines={10}>
        {(one) => <View key={one.id} of={one} />}
      </Shown>
    </div>
  );
}

function View({ of: one }: { of: Subject }) {
  const { s, say } = useSubjectWords();
  const called = useCalled();
  const tab = new URLSearchParams(useSearch()).get("tab");
  return (
    <>
      <div className="head">
        <div>
          <div className="crumbs">
            <Link href="/subjects">{s("title")}</Link> / {say(one.kind_title)}
          </div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{called(one)}</h1>
          <div className="quiet line">
            {one.address && <span>{one.address}</span>}
            {one.area && (
              <span>
                {say(one.area.title)}
                {one.area.schematic && ` (${s("schematic")})`}
              </span>
            )}
            {one.since && (
              <span>
                {s("since")} <Moment at={one.since} shape="date" />
              </span>
            )}
            {one.until && (
              <span>
                {s("until")} <Moment at={one.until} shape="date" />
              </span>
            )}
          </div>
        </div>
        {one.questions.length > 0 && (
          <Link href="/subjects/reviews" className="tag" data-tone="late">
            {s("one.questions", { n: one.questions.length })}
          </Link>
        )}
      </div>
      <SubjectTabs id={one.id} kind={one.kind} at={tab} />
      {tab === null ? (
        <Overview of={one} />
      ) : (
        <Suspense fallback={<Loading lines={8} />}>
          <SubjectTab subject={one.id} page={tab} />
        </Suspense>
      )}
    </>
  );
}

function Overview({ of: one }: { of: Subject }) {
  const { s, say, unit, plain } = useSubjectWords();
  return (
    <>
      {one.restricted.length > 0 && (
        <div className="banner quiet" data-testid="restricted">
          <strong>{s("one.restricted")}</strong>
          {one.restricted.map((each) => (
            <span key={each.dataset}>
              {s("one.restrictedWhy", { department: say(each.department_title), dataset: say(each.title) })}
            </span>
          ))}
        </div>
      )}
      <div className="columns">
        <div className="stack" style={{ gap: 16, minWidth: 0 }}>
          <Who of={one} />
          <Connected of={one} />
          <Records of={one} />
          <SourcesOf of={one} />
        </div>
        <div className="stack" style={{ gap: 16, minWidth: 0 }}>
          <Panel title={s("one.timeline")} aside={<span className="quiet">{s("one.timelineWhy")}</span>}>
            {one.timeline.length === 0 ? (
              <Empty title={s("one.noTimeline")} />
            ) : (
              <section className="flush subject-timeline" tabIndex={0} aria-label={s("one.timeline")}>
                <ol>
                  {one.timeline.slice(0, 60).map((row, at) => (
                    <li key={`${row.dataset} ${row.at} ${at}`}>
                      <div className="line">
                        <Moment at={row.at} shape="minute" />
                        <span className="tag">{say(row.title)}</span>
                        <span className="quiet">{unit(row.department)}</span>
                      </div>
                      <div className="quiet values">
                        {row.values.slice(0, 8).map(({ name, title, value, label }) => (
                          <span key={name}>
                            {say(title)} <b>{say(label) || plain(value)}</b>
                          </span>
                        ))}
                      </div>
                    </li>
                  ))}
                </ol>
              </section>
            )}
          </Panel>
          {(one.history.length > 0 || one.merged.length > 0) && (
            <Panel title={s("one.history")}>
              <div className="body stack">
                {one.merged.length > 0 && <span>{s("one.merged", { n: one.merged.length })}</span>}
                <ol className="plain-list">
                  {one.history.map((event) => (
                    <li key={`${event.type} ${event.at} ${JSON.stringify(event.data)}`}>
                      <Moment at={event.at} /> <b>{s(`history.${event.type}` as SubjectKey)}</b>{" "}
                      <span className="quiet">
                        {event.actor}
                        {typeof event.data.reason === "string" && ` · ${event.data.reason}`}
                      </span>
                    </li>
                  ))}
                </ol>
              </div>
            </Panel>
          )}
        </div>
      </div>
    </>
  );
}

function Who({ of: one }: { of: Subject }) {
  const { s, say, list } = useSubjectWords();
  const from = (datasets: string[]) => {
    const titles = new Map(one.sources.map((each) => [each.dataset, say(each.title)]));
    return list(datasets.map((name) => titles.get(name) ?? name));
  };
  const lines: [string, string, string][] = [
    ...one.names.map(({ value, datasets }): [string, string, string] => [s("name"), value, from(datasets)]),
    ...one.former_names.map(({ value, datasets }): [string, string, string] => [
      s("one.former"),
      value,
      from(datasets),
    ]),
    ...one.identifiers.map(({ title, value, datasets }): [string, string, string] => [
      say(title),
      value,
      from(datasets),
    ]),
    ...one.addresses.map(({ value, datasets }): [string, string, string] => [s("address"), value, from(datasets)]),
  ];
  const where = one.places[0];
  return (
    <Panel title={s("one.names")}>
      <section className="flush" tabIndex={0} aria-label={s("one.names")}>
        <Table className="subject-said">
          <tbody>
            {lines.map(([what, value, datasets]) => (
              <tr key={`${what} ${value}`}>
                <th scope="row" className="tight">
                  {what}
                </th>
                <td>{value}</td>
                <td className="quiet">{datasets}</td>
              </tr>
            ))}
            <tr>
              <th scope="row" className="tight">
                {s("one.where")}
              </th>
              <td className="mono">{where ? `${where.lon.toFixed(5)}, ${where.lat.toFixed(5)}` : s("one.noPlace")}</td>
              <td className="quiet">{where?.area ? say(where.area.title) : ""}</td>
            </tr>
            <tr>
              <th scope="row" className="tight">
                {s("one.id")}
              </th>
              <td className="mono">{one.id}</td>
              <td />
            </tr>
          </tbody>
        </Table>
      </section>
    </Panel>
  );
}

function Connected({ of: one }: { of: Subject }) {
  const { s, say, list } = useSubjectWords();
  const [hops, setHops] = useState(1);
  const ties = useTies(one.id, hops);
  return (
    <Panel
      title={s("ties.title")}
      aside={
        <NativeSelect
          size="xs"
          aria-label={s("ties.hops")}
          data-testid="ties-hops"
          data={[
            { value: "1", label: s("ties.one") },
            { value: "2", label: s("ties.two") },
          ]}
          value={String(hops)}
          onChange={(event) => setHops(Number(event.currentTarget.value))}
        />
      }
    >
      <Shown of={ties} lines={5}>
        {(found) => {
          const nodes = new Map(found.nodes.map((node) => [node.id, node]));
          return found.edges.length === 0 ? (
            <Empty title={s("ties.none")}>{s("ties.noneWhy")}</Empty>
          ) : (
            <>
              <Suspense fallback={<Loading lines={6} />}>
                <TiesPicture middle={one.id} ties={found} />
              </Suspense>
              {(found.cut.length > 0 || found.restricted.length > 0) && (
                <div className="body quiet">
                  {found.cut.length > 0 && <div>{s("ties.cut")}</div>}
                  {found.restricted.length > 0 && (
                    <div>{s("ties.hidden", { names: list(found.restricted.map(({ title }) => say(title))) })}</div>
                  )}
                </div>
              )}
              <section className="flush ties-list" tabIndex={0} aria-label={s("ties.title")}>
                <Table data-testid="ties">
                  <thead>
                    <tr>
                      <th>{s("ties.relation")}</th>
                      <th>{s("ties.other")}</th>
                      <th>{s("ties.when")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {found.edges.map((edge) => {
                      const outward = edge.from === one.id;
                      const inward = edge.to === one.id;
                      const a = nodes.get(edge.from);
                      const b = nodes.get(edge.to);
                      if (!a || !b) return null;
                      return (
                        <tr key={`${edge.from} ${edge.to} ${edge.relation}`}>
                          <td>{say(inward ? edge.back : edge.title)}</td>
                          <td>
                            {outward ? (
                              <SubjectLink of={b} />
                            ) : inward ? (
                              <SubjectLink of={a} />
                            ) : (
                              <>
                                <SubjectLink of={a} /> → <SubjectLink of={b} />
                              </>
                            )}{" "}
                            <span className="tag">{say((outward ? b : a).kind_title)}</span>
                          </td>
                          <td className="quiet">
                            {edge.since === null && edge.until === null ? (
                              "—"
                            ) : (
                              <>
                                <Moment at={edge.since} shape="date" /> – <Moment at={edge.until} shape="date" />
                              </>
                            )}
                          </td>
                        </tr>
                      );
                    })}
                  </tbody>
                </Table>
              </section>
            </>
          );
        }}
      </Shown>
    </Panel>
  );
}

function Records({ of: one }: { of: Subject }) {
  const { s, say, unit } = useSubjectWords();
  const may = useMay("subject.review");
  const [chosen, setChosen] = useState<string[]>([]);
  const [sheet, setSheet] = useState<"split" | "merge" | null>(null);
  return (
    <Panel
      title={s("one.records", { n: one.records.length })}
      aside={
        may && (
          <span className="line">
            <Button
              size="xs"
              variant="default"
              disabled={chosen.length === 0 || chosen.length === one.records.length}
              data-testid="subject-split"
              onClick={() => setSheet("split")}
            >
              {s("one.split")}
            </Button>
            <Button size="xs" variant="default" data-testid="subject-merge" onClick={() => setSheet("merge")}>
              {s("one.merge")}
            </Button>
          </span>
        )
      }
    >
      <section className="flush records-list" tabIndex={0} aria-label={s("one.records", { n: one.records.length })}>
        <Table data-testid="records">
          <thead>
            <tr>
              {may && <th className="tight" data-cell="pick" />}
              <th data-cell="title">{s("one.dataset")}</th>
              <th>{s("name")}</th>
              <th>{s("one.why")}</th>
            </tr>
          </thead>
          <tbody>
            {one.records.map((record) => {
              const name = record.name ?? record.key.filter((part) => part !== null).join(" · ");
              return (
                <tr key={record.id}>
                  {may && (
                    <td className="tight">
                      <input
                        type="checkbox"
                        aria-label={s("one.select", { name: `${say(record.dataset_title)} ${name}` })}
                        checked={chosen.includes(record.id)}
                        onChange={(event) =>
                          setChosen(
                            event.currentTarget.checked
                              ? [...chosen, record.id]
                              : chosen.filter((id) => id !== record.id),
                          )
                        }
                      />
                    </td>
                  )}
                  <td>
                    {say(record.dataset_title)}
                    <div className="quiet">
                      {say(record.role_title)} · {unit(record.department)}
                    </div>
                  </td>
                  <td>
                    {name}
                    {record.address && <div className="quiet">{record.address}</div>}
                  </td>
                  <td>
                    <WhyHere of={record.why} />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </Table>
      </section>
      {sheet !== null && <Act subject={one.id} act={sheet} chosen={chosen} close={() => setSheet(null)} />}
    </Panel>
  );
}

function Act({
  subject,
  act,
  chosen,
  close,
}: {
  subject: string;
  act: "split" | "merge";
  chosen: string[];
  close: () => void;
}) {
  const { s, t } = useSubjectWords();
  const [, go] = useLocation();
  const [reason, setReason] = useState("");
  const [other, setOther] = useState("");
  const command = useCommand<{ subject: string; into?: string }>({
    done: (answer) => {
      close();
      go(path(answer.into ?? answer.subject));
    },
  });
  const ready = reason.trim() !== "" && (act === "split" || other.trim() !== "");
  return (
    <Sheet title={s(`one.${act}`)} close={close}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!ready || command.isPending) return;
          const body = act === "split" ? { records: chosen, reason } : { other: other.trim(), reason };
          command.mutate({ path: `/api/subjects/${encodeURIComponent(subject)}/${act}`, body });
        }}
      >
        <span>{act === "split" ? s("one.splitMeans", { n: chosen.length }) : s("one.mergeMeans")}</span>
        {act === "merge" && (
          <TextInput
            label={s("one.mergeWith")}
            required
            data-testid="merge-other"
            value={other}
            onChange={(event) => setOther(event.currentTarget.value)}
          />
        )}
        <Textarea
          label={s("reason")}
          required
          autosize
          minRows={2}
          data-testid="act-reason"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {command.error !== null && <Failure error={command.error} />}
        <div className="line sheet-actions">
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={command.isPending} disabled={!ready} data-testid="act-confirm">
            {s(`one.${act}`)}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}

function SourcesOf({ of: one }: { of: Subject }) {
  const { s, say, number, list } = useSubjectWords();
  const [open, setOpen] = useState<Source | null>(null);
  return (
    <Panel title={s("one.sources")}>
      <section className="flush" tabIndex={0} aria-label={s("one.sources")}>
        <Table data-testid="subject-sources">
          <thead>
            <tr>
              <th>{s("one.dataset")}</th>
              <th>{s("one.role")}</th>
              <th className="right">{s("one.rows")}</th>
              <th>{s("one.span")}</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {one.sources.map((each) => (
              <tr key={each.dataset}>
                <td>
                  {say(each.title)}
                  <div className="quiet">{say(each.department_title)}</div>
                </td>
                <td>{list(each.roles.map((role) => say(role)))}</td>
                <td className="right">{each.rows === null ? "—" : number(each.rows, 0)}</td>
                <td>
                  {each.window_hours === null ? (
                    <>
                      <Moment at={each.from} shape="date" /> – <Moment at={each.to} shape="date" />
                    </>
                  ) : (
                    s("one.window", { hours: number(each.window_hours, 0) })
                  )}
                </td>
                <td className="right">
                  <Button size="xs" variant="default" data-testid="show-rows" onClick={() => setOpen(each)}>
                    {s("one.show")}
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
      </section>
      {open !== null && <RowsSheet subject={one.id} source={open} close={() => setOpen(null)} />}
    </Panel>
  );
}

function RowsSheet({ subject, source, close }: { subject: string; source: Source; close: () => void }) {
  const { s, say, plain } = useSubjectWords();
  const pages = useRows(subject, source.dataset);
  const columns = pages.data?.pages[0]?.columns ?? [];
  const rows = pages.data?.pages.flatMap(({ items }) => items) ?? [];
  const filled = columns.filter(({ name }) => rows.some((row) => row[name] !== null && row[name] !== undefined));
  return (
    <Sheet title={s("rows.title", { title: say(source.title) })} close={close}>
      <Shown of={pages} lines={6}>
        {() =>
          rows.length === 0 ? (
            <Empty title={s("rows.empty")} />
          ) : (
            <section className="flush rows-list" tabIndex={0} aria-label={say(source.title)}>
              <Table data-testid="subject-rows">
                <thead>
                  <tr>
                    {filled.map(({ name, title, unit }) => (
                      <th key={name}>
                        {say(title)}
                        {unit && ` (${unit})`}
                      </th>
                    ))}
                    <th>{s("rows.known")}</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row, at) => (
                    <tr key={`${String(row.known_at)} ${at}`}>
                      {filled.map(({ name, labels }) => (
                        <td key={name} className="mono">
                          {row[name] === null || row[name] === undefined
                            ? ""
                            : say(labelOf(row[name], labels)) || plain(row[name])}
                        </td>
                      ))}
                      <td>
                        <Moment at={row.known_at as string} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </Table>
              {pages.hasNextPage && (
                <Button
                  variant="default"
                  size="xs"
                  loading={pages.isFetchingNextPage}
                  onClick={() => void pages.fetchNextPage()}
                >
                  {s("more")}
                </Button>
              )}
            </section>
          )
        }
      </Shown>
    </Sheet>
  );
}
