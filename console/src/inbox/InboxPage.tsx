/** What the city told this person: orders, escalations, messages of plans; newest first, unread ones stand out. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { useDepartments, useIncident, useSession } from "../api/queries";
import { type Key, useWords } from "../i18n";
import { dayStart } from "../time/format";
import { DateField } from "../ui/DateField";
import { LongTable, type RowProps } from "../ui/LongTable";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment, useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { type Letter, type Sought, TOPICS, type Topic, useInbox, useRead } from "./queries";
import { useInboxWords } from "./words";

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const TYPING_MS = 300;
/** The city counts unread messages up to this many. */
const COUNTED = 1_000;

/** The day after, as a calendar has it. */
const next = (day: string) => new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
const topicOf = (topic: string): Topic => (topic === "orders" || topic === "escalations" ? topic : "other");

function useSought() {
  const zone = useZone();
  const [params, setParams] = useSearchParams();
  const day = (name: string) => {
    const value = params.get(name) ?? "";
    return DAY.test(value) && !Number.isNaN(Date.parse(value)) ? value : "";
  };
  const from = day("from");
  const until = day("until");
  const sought: Sought = {
    unread: params.get("unread") === "true",
    topic: TOPICS.find((one) => one === params.get("kind")) ?? null,
    to: params.get("to"),
    text: params.get("text"),
    since: from === "" ? null : dayStart(from, zone),
    until: until === "" ? null : dayStart(next(until), zone),
    incident: params.get("incident"),
  };
  return {
    sought,
    from,
    until,
    narrowed: [...params.keys()].some((name) =>
      ["unread", "kind", "to", "text", "from", "until", "incident"].includes(name),
    ),
    clear: () => setParams({}, { replace: true }),
    set: (name: string, value: string) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          if (value === "") after.delete(name);
          else after.set(name, value);
          return after;
        },
        { replace: true },
      ),
  };
}

/** What a recipient is called: a department, a role, oneself. */
function useRecipientTitle(): (recipient: string) => string {
  const { t } = useWords();
  const { p, say } = useInboxWords();
  const own = useSession().data?.actor;
  const departments = useDepartments().data ?? [];
  return (recipient) => {
    if (recipient.startsWith("person:")) return p(recipient === `person:${own?.id}` ? "me" : "deputy");
    if (own?.roles.includes(recipient)) return t(`role.${recipient}` as Key);
    return say(departments.find(({ code }) => code === recipient)?.title) || recipient;
  };
}

export default function InboxPage() {
  const { p, number } = useInboxWords();
  const { sought, narrowed, clear, ...filter } = useSought();
  const [cleared, setCleared] = useState(0); // a new form: also what was typed and not yet asked for is gone
  const inbox = useInbox(sought);
  const read = useRead();
  const tell = useTell();
  const title = useRecipientTitle();
  const pages = inbox.data?.pages ?? [];
  const first = pages[0];
  const items = pages.flatMap((page) => page.items);
  const left = first?.unread ?? 0;
  const total = first?.total ?? 0;
  const mark = (what: string | Sought) => read.mutate(what, { onError: tell.failed });
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{p("title")}</h1>
          <span className="quiet" data-testid="inbox-count">
            {p(left >= COUNTED ? "unreadMany" : "unread", { n: number(left, 0) })}
            {narrowed && first && <> · {p("shown", { n: number(total, 0) })}</>}
          </span>
        </div>
        <div className="line">
          {narrowed && (
            <Button
              size="xs"
              variant="subtle"
              data-testid="inbox-clear"
              onClick={() => {
                clear();
                setCleared(cleared + 1);
              }}
            >
              {p("clear")}
            </Button>
          )}
          <Button
            size="xs"
            variant="default"
            disabled={left === 0 || total === 0}
            loading={read.isPending && typeof read.variables !== "string"}
            data-testid="inbox-read-all"
            onClick={() => mark(sought)}
          >
            {narrowed && total > 0 ? p("readShown", { n: number(total, 0) }) : p("readAll")}
          </Button>
        </div>
      </div>
      <Panel>
        {sought.incident !== null && <OfIncident id={sought.incident} all={() => filter.set("incident", "")} />}
        <Filters key={cleared} sought={sought} recipients={first?.recipients ?? []} {...filter} />
        <Shown of={inbox} lines={8}>
          {() =>
            items.length === 0 ? (
              narrowed && !(sought.unread && total === left) ? (
                <Empty title={p("noneSuch")}>{p("noneSuchWhy")}</Empty>
              ) : (
                <Empty title={p(sought.unread ? "noneUnread" : "empty")}>{p("emptyWhy")}</Empty>
              )
            ) : (
              <LongTable
                label={p("title")}
                test="letters"
                columns={4}
                count={items.length}
                pages={inbox}
                head={
                  <tr>
                    <th>{p("what")}</th>
                    <th>{p("to")}</th>
                    <th>{p("at")}</th>
                    <th>
                      <span className="unseen">{p("read")}</span>
                    </th>
                  </tr>
                }
                row={(index, props) => {
                  const letter = items[index];
                  return letter === undefined ? null : (
                    <Row
                      key={letter.id}
                      letter={letter}
                      to={title(letter.recipient)}
                      read={() => mark(letter.id)}
                      {...props}
                    />
                  );
                }}
              />
            )
          }
        </Shown>
      </Panel>
    </div>
  );
}

/** Which incident the letters are about. */
function OfIncident({ id, all }: { id: string; all: () => void }) {
  const { p, say } = useInboxWords();
  const incident = useIncident(id);
  return (
    <div className="body line" style={{ paddingBlock: "12px 0" }} data-testid="inbox-incident">
      <span>
        {p("ofIncident")} <Link href={`/incidents/${encodeURIComponent(id)}`}>{say(incident.data?.title) || id}</Link>
      </span>
      <Button size="compact-xs" variant="subtle" onClick={all}>
        {p("anyIncident")}
      </Button>
    </div>
  );
}

function Filters({
  sought,
  from,
  until,
  recipients,
  set,
}: {
  sought: Sought;
  from: string;
  until: string;
  recipients: string[];
  set: (name: string, value: string) => void;
}) {
  const { p } = useInboxWords();
  const title = useRecipientTitle();
  const [typed, setTyped] = useState(sought.text ?? "");
  // What is typed is asked for once the typing rests.
  useEffect(() => {
    if (typed.trim() === (sought.text ?? "")) return;
    const timer = setTimeout(() => set("text", typed.trim().slice(0, 120)), TYPING_MS);
    return () => clearTimeout(timer);
  });
  return (
    <div className="body filters" style={{ paddingTop: 12 }}>
      <Button.Group>
        {[false, true].map((only) => (
          <Button
            key={String(only)}
            size="xs"
            variant={sought.unread === only ? "filled" : "default"}
            aria-pressed={sought.unread === only}
            data-testid={only ? "inbox-unread" : "inbox-all"}
            onClick={() => set("unread", only ? "true" : "")}
          >
            {p(only ? "onlyUnread" : "all")}
          </Button>
        ))}
      </Button.Group>
      <NativeSelect
        size="xs"
        aria-label={p("kind")}
        data-testid="inbox-kind"
        data={[{ value: "", label: p("anyKind") }, ...TOPICS.map((one) => ({ value: one, label: p(one) }))]}
        value={sought.topic ?? ""}
        onChange={({ currentTarget: { value } }) => set("kind", value)}
      />
      {(recipients.length > 1 || sought.to !== null) && (
        <NativeSelect
          size="xs"
          aria-label={p("to")}
          data-testid="inbox-to"
          data={[
            { value: "", label: p("anyTo") },
            ...[...new Set([...recipients, ...(sought.to ? [sought.to] : [])])].map((one) => ({
              value: one,
              label: title(one),
            })),
          ]}
          value={sought.to ?? ""}
          onChange={({ currentTarget: { value } }) => set("to", value)}
        />
      )}
      <TextInput
        size="xs"
        w={220}
        type="search"
        aria-label={p("text")}
        placeholder={p("text")}
        data-testid="inbox-text"
        value={typed}
        onChange={({ currentTarget: { value } }) => setTyped(value)}
      />
      {(["from", "until"] as const).map((name) => (
        <DateField
          key={name}
          size="xs"
          label={p(name)}
          data-testid={`inbox-${name}`}
          value={name === "from" ? from : until}
          error={name === "from" && from !== "" && until !== "" && from > until ? p("backwards") : undefined}
          change={(value) => set(name, value)}
        />
      ))}
    </div>
  );
}

function Row({ letter, to, read, ...props }: { letter: Letter; to: string; read: () => void } & RowProps) {
  const { p, say } = useInboxWords();
  const [, go] = useLocation();
  const fresh = letter.read_at === null;
  const inside = letter.path.startsWith("/") && !letter.path.startsWith("//");
  return (
    <tr {...props} className="letter" data-testid="letter" data-unread={fresh} data-topic={letter.topic}>
      <td className="letter-words">
        <span className="tag">{p(topicOf(letter.topic))}</span>{" "}
        <span className="letter-subject">
          {fresh && <span className="unseen">{p("isUnread")} </span>}
          {inside ? (
            <a
              href={letter.path}
              data-testid="letter-open"
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                if (fresh) read();
                go(letter.path);
              }}
            >
              {say(letter.subject)}
            </a>
          ) : (
            say(letter.subject)
          )}
        </span>
        {letter.lines.map((line, index) => (
          <div key={index} className="quiet">
            {say(line)}
          </div>
        ))}
      </td>
      <td>{to}</td>
      <td>
        <Moment at={letter.at} ago />
      </td>
      <td className="right">
        {fresh && (
          <Button size="xs" variant="default" data-testid="letter-read" onClick={read}>
            {p("markRead")}
          </Button>
        )}
      </td>
    </tr>
  );
}
