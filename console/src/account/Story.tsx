/** Everything behind one task: who held it when and whether that is charged, its events in order, appeals about it. */

import { Link } from "wouter";
import { useMay } from "../api/queries";
import { eventWord } from "../pages/eventWord";
import { cityTime, duration } from "../time/format";
import { Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment, useZone } from "../ui/Time";
import { usePeriodQuery, Wide } from "./parts";
import { useAppeals, useSeesAppeals, useStory } from "./queries";
import type { Story, StoryEvent } from "./types";
import { type AccountKey, useAccountWords, useNames } from "./words";
import { zh } from "./words.zh";

export function StoryOf({ task, appeals = true }: { task: string; appeals?: boolean }) {
  const story = useStory(task);
  return (
    <Shown of={story} lines={10}>
      {(told) => <Told story={told} appeals={appeals} />}
    </Shown>
  );
}

function Told({ story, appeals }: { story: Story; appeals: boolean }) {
  const { a, say } = useAccountWords();
  const tasks = useMay("task.read");
  const started = story.events.find(({ data }) => typeof data.incident === "string")?.data.incident as
    | string
    | undefined;
  return (
    <div className="stack" data-testid="story" style={{ gap: 16 }}>
      <div>
        <strong>{say(story.step_title)}</strong>
        <div className="quiet">{say(story.department_title)}</div>
        {tasks && started && (
          <div className="line">
            <Link href={`/tasks/${encodeURIComponent(story.task)}`}>{a("story.open")}</Link>
            <Link href={`/incidents/${encodeURIComponent(started)}`}>{a("story.incident")}</Link>
          </div>
        )}
      </div>
      <Custody story={story} />
      <section className="stack">
        <h3>{a("story.events")}</h3>
        <Wide label={a("story.events")}>
          <Table data-testid="story-events">
            <thead>
              <tr>
                <th data-cell="plain">{a("story.at")}</th>
                <th data-cell="title">{a("story.what")}</th>
                <th>{a("story.who")}</th>
                <th>{a("story.told")}</th>
              </tr>
            </thead>
            <tbody>
              {story.events.map((event) => (
                <Happened key={event.seq} event={event} />
              ))}
            </tbody>
          </Table>
        </Wide>
      </section>
      {appeals && story.appeals.length > 0 && <AppealsOf ids={story.appeals} />}
    </div>
  );
}

function Custody({ story }: { story: Story }) {
  const { a, language } = useAccountWords();
  const { unit } = useNames();
  const length = (seconds: number) => duration(seconds, language);
  const total = story.custody.reduce((sum, { seconds }) => sum + seconds, 0);
  const charged = story.custody.reduce((sum, one) => sum + (one.charged ? one.seconds : 0), 0);
  if (story.custody.length === 0) return null;
  return (
    <section className="stack">
      <h3>{a("story.custody")}</h3>
      <div className="custody" aria-hidden="true">
        {story.custody.map((one) => (
          <span
            key={`${one.holder}${one.from}`}
            data-charged={one.charged}
            style={{ flexGrow: Math.max(1, one.seconds) }}
            title={`${unit(one.holder)} ${length(one.seconds)}`}
          />
        ))}
      </div>
      <Wide label={a("story.custody")}>
        <Table data-testid="story-custody">
          <thead>
            <tr>
              <th>{a("story.holder")}</th>
              <th>{a("story.from")}</th>
              <th>{a("story.to")}</th>
              <th className="right">{a("story.length")}</th>
              <th>{a("story.charged")}</th>
              <th>{a("story.why")}</th>
            </tr>
          </thead>
          <tbody>
            {story.custody.map((one) => {
              const why = `why.${one.reason}`;
              return (
                <tr key={`${one.holder}${one.from}`}>
                  <td>{unit(one.holder)}</td>
                  <td>
                    <Moment at={one.from} shape="short" />
                  </td>
                  <td>
                    <Moment at={one.to} shape="short" />
                  </td>
                  <td className="right">{length(one.seconds)}</td>
                  <td>{one.charged ? a("story.yes") : <span className="quiet">{a("story.no")}</span>}</td>
                  <td>{why in zh ? a(why as AccountKey) : one.reason}</td>
                </tr>
              );
            })}
          </tbody>
        </Table>
      </Wide>
      <span>{a("story.total", { total: length(total), charged: length(charged) })}</span>
    </section>
  );
}

function Happened({ event }: { event: StoryEvent }) {
  const { a, t } = useAccountWords();
  const { person } = useNames();
  const own = `event.${event.type}`;
  return (
    <tr data-event={event.type}>
      <td>
        <Moment at={event.at} shape="full" />
      </td>
      <td>
        {own in zh ? a(own as AccountKey) : eventWord(event.type, t)}
        {event.data.late === true && <span className="tag late-tag">{a("story.late")}</span>}
      </td>
      <td>{person(event.actor)}</td>
      <td className="said">
        <Said event={event} />
      </td>
    </tr>
  );
}

/** What the event itself says, as far as a person can read it. */
function Said({ event }: { event: StoryEvent }) {
  const { a, say, t } = useAccountWords();
  const { unit } = useNames();
  const zone = useZone();
  const { data, type } = event;
  const text = (name: string) => {
    const value = data[name];
    if (typeof value === "string") return value.trim();
    return value !== null && typeof value === "object" && ("zh-CN" in value || "en" in value)
      ? say(value as Record<string, string>)
      : "";
  };
  const parts: string[] = [];
  if (type === "task.dispatched") {
    if (typeof data.round === "number" && data.round > 1) parts.push(a("told.round", { value: data.round }));
    for (const name of ["accept_due", "due"] as const)
      if (text(name)) parts.push(a(`told.${name}`, { value: cityTime(text(name), zone, "short") }));
  }
  if (type === "task.extension_decided") {
    parts.push(a(data.approved === true ? "told.granted" : "told.refused"));
    if (text("due")) parts.push(a("told.due", { value: cityTime(text("due"), zone, "short") }));
  }
  if (type === "task.extension_requested" && text("until"))
    parts.push(a("told.until", { value: cityTime(text("until"), zone, "short") }));
  if (["task.reassigned", "task.delegated", "task.escalated"].includes(type) && text("to"))
    parts.push(a("told.to", { value: unit(text("to")) }));
  if (type === "task.submitted" && text("verify_by"))
    parts.push(a("told.verify_by", { value: unit(text("verify_by")) }));
  // An escalation's reason is the rung's own code.
  for (const name of ["reason", "note", "clause"] as const)
    if (text(name) && type !== "task.escalated") parts.push(a(`told.${name}`, { value: text(name) }));
  return parts.length === 0 ? <span className="quiet">—</span> : parts.join(t("listComma"));
}

function AppealsOf({ ids }: { ids: string[] }) {
  const { a, say, rate } = useAccountWords();
  const sees = useSeesAppeals();
  const kept = usePeriodQuery();
  const found = (useAppeals(null, sees).data?.pages.flatMap(({ items }) => items) ?? []).filter((one) =>
    ids.includes(one.id),
  );
  if (found.length === 0) return null;
  return (
    <section className="stack" data-testid="story-appeals">
      <h3>{a("story.appeals")}</h3>
      {found.map((one) => (
        <div key={one.id}>
          <Link href={`/scores/appeals${kept ? `${kept}&` : "?"}appeal=${encodeURIComponent(one.id)}`}>
            {say(one.department_title)} · {rate(one.rate)}
          </Link>{" "}
          <span className="tag">{a(`appeals.${one.state}`)}</span> <span className="quiet">{one.reason}</span>
        </div>
      ))}
    </section>
  );
}
