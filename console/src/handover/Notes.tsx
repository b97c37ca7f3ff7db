/** What was handed over before, the newest first; and one note by its own address. */

import { Button, NativeSelect } from "@mantine/core";
import { Link, useLocation, useParams, useSearchParams } from "wouter";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { NoteBody } from "./NoteBody";
import { useNote, useNotes, usePresent } from "./queries";
import { StandingView } from "./StandingView";
import { DutyTabs } from "./Tabs";
import { useHandoverWords } from "./words";
import "./handover.css";

export function Notes() {
  const { h, say } = useHandoverWords();
  const [params, setParams] = useSearchParams();
  const [, go] = useLocation();
  const unit = params.get("unit");
  const notes = useNotes(unit);
  const units = usePresent(null, null, null).data?.units ?? [];
  const items = notes.data?.pages.flatMap((page) => page.items);
  return (
    <div className="page handover">
      <DutyTabs at="log" />
      <div className="head">
        <h1 style={{ fontSize: 20, margin: 0 }}>{h("log")}</h1>
        <NativeSelect
          aria-label={h("for")}
          value={unit ?? ""}
          data={[
            { value: "", label: h("all") },
            ...units.map(({ code, title }) => ({ value: code, label: say(title) })),
          ]}
          onChange={({ currentTarget: { value } }) => setParams(value === "" ? {} : { unit: value })}
        />
      </div>
      <Panel>
        {items === undefined ? (
          notes.error ? (
            <Failure error={notes.error} retry={() => void notes.refetch()} />
          ) : (
            <Loading lines={6} />
          )
        ) : items.length === 0 ? (
          <Empty title={h("log.empty")}>{h("log.emptyWhy")}</Empty>
        ) : (
          <div className="flush">
            <Table data-testid="handover-notes">
              <thead>
                <tr>
                  <th>{h("period")}</th>
                  <th>{h("for")}</th>
                  <th>{h("signed")}</th>
                  <th>{h("taken")}</th>
                  <th>{h("note")}</th>
                </tr>
              </thead>
              <tbody>
                {items.map((note) => (
                  <tr key={note.id} data-link onClick={() => go(`/handover/notes/${note.id}`)}>
                    <td>
                      <Link href={`/handover/notes/${note.id}`} onClick={(event) => event.stopPropagation()}>
                        <Moment at={note.from} shape="minute" /> – <Moment at={note.to} shape="short" />
                      </Link>{" "}
                      <span className="quiet">{say(note.shift_title)}</span>
                    </td>
                    <td>{say(note.title)}</td>
                    <td>{note.signed ? say(note.signed.name) : <span className="quiet">{h("unsigned")}</span>}</td>
                    <td>
                      {note.taken ? say(note.taken.name) : <span className="tag">{h(`state.${note.state}`)}</span>}
                    </td>
                    <td className="note-head">{note.words}</td>
                  </tr>
                ))}
              </tbody>
            </Table>
          </div>
        )}
        {notes.hasNextPage && (
          <div className="body">
            <Button variant="default" loading={notes.isFetchingNextPage} onClick={() => void notes.fetchNextPage()}>
              {h("log.more")}
            </Button>
          </div>
        )}
      </Panel>
    </div>
  );
}

export function NotePage() {
  const { h, say } = useHandoverWords();
  const { id = "" } = useParams<{ id: string }>();
  const note = useNote(id);
  return (
    <div className="page handover">
      <DutyTabs at="log" />
      <Shown of={note} lines={8}>
        {(found) => (
          <>
            <div className="head">
              <div>
                <div className="crumbs">
                  <Link href="/handover/notes">{h("log")}</Link> / {say(found.title)}
                </div>
                <h1 style={{ fontSize: 20, margin: 0 }}>
                  {say(found.shift_title) || h("title")} <Moment at={found.from} /> –{" "}
                  <Moment at={found.to} shape="short" /> <span className="tag">{h(`state.${found.state}`)}</span>
                </h1>
              </div>
            </div>
            <NoteBody note={found} />
            {found.state === "draft" && found.standing && <StandingView standing={found.standing} />}
          </>
        )}
      </Shown>
    </div>
  );
}
