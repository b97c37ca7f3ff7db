/** Questions of the rules to people: both records side by side, what speaks for and against, one key to decide. */

import { Button, NativeSelect, Textarea } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { useCommand } from "../api/useCommand";
import { cityTime } from "../time/format";
import { More } from "../ui/More";
import { Empty, Failure, Panel, Shown } from "../ui/states";
import { Moment, useZone } from "../ui/Time";
import { EvidenceList, path, Tabs } from "./parts";
import { useReviews } from "./queries";
import { Rebuild } from "./Rebuild";
import type { Review, ReviewSide } from "./types";
import { useSubjectWords } from "./words";

const STATES = ["open", "same", "different", "overtaken", "all"] as const;

export default function Reviews() {
  const { s, say, number } = useSubjectWords();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") ?? "open";
  const pages = useReviews(state, null);
  const found = pages.data?.pages.flatMap(({ items }) => items) ?? [];
  const [at, setAt] = useState<string | null>(null);
  const index = Math.max(
    0,
    found.findIndex(({ id }) => id === at),
  );
  const one = found[index];
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      const step = event.key === "j" ? 1 : event.key === "k" ? -1 : 0;
      const next = found[index + step];
      if (step !== 0 && next) setAt(next.id);
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  });
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{s("reviews.title")}</h1>
          <span className="quiet">{s("reviews.subtitle")}</span>
        </div>
        <Tabs at="reviews" />
      </div>
      <div className="line">
        <NativeSelect
          aria-label={s("reviews.state")}
          data-testid="review-state"
          data={STATES.map((value) => ({ value, label: s(`reviews.${value}`) }))}
          value={state}
          onChange={(event) => {
            const value = event.currentTarget.value;
            setParams(value === "open" ? {} : { state: value }, { replace: true });
          }}
        />
        <span className="quiet numeric" role="status">
          {pages.data && s("count", { n: number(pages.data.pages[0]?.total ?? 0, 0) })}
        </span>
      </div>
      <Shown of={pages} lines={8}>
        {() =>
          one === undefined ? (
            <Panel>
              <Empty title={s("reviews.empty")}>{s("reviews.emptyWhy")}</Empty>
            </Panel>
          ) : (
            <div className="reviews">
              <Panel title={s("reviews.list")}>
                <ul className="review-list" data-testid="review-list">
                  {found.map((each) => (
                    <li key={each.id}>
                      <button
                        type="button"
                        aria-current={each.id === one.id ? "true" : undefined}
                        onClick={() => setAt(each.id)}
                      >
                        <span className="tag">{say(each.kind_title)}</span>
                        <span className="clip">{titleOf(each) ?? say(each.department_title)}</span>
                        <span className="quiet numeric">{number(each.score, 1)}</span>
                      </button>
                    </li>
                  ))}
                </ul>
                <More pages={pages}>{s("more")}</More>
              </Panel>
              <Question key={one.id} of={one} next={found[index + 1]?.id ?? found[index - 1]?.id ?? null} go={setAt} />
            </div>
          )
        }
      </Shown>
      <Rebuild />
    </div>
  );
}

function titleOf(one: Review): string | null {
  for (const side of one.records) if (!side.restricted && side.name) return side.name;
  return null;
}

function Question({ of: one, next, go }: { of: Review; next: string | null; go: (id: string | null) => void }) {
  const { s, say, number } = useSubjectWords();
  const zone = useZone();
  const [reason, setReason] = useState("");
  const same = useRef<HTMLButtonElement>(null);
  const different = useRef<HTMLButtonElement>(null);
  const command = useCommand({ done: () => go(next) });
  const decide = (decision: "same" | "different") => {
    if (command.isPending || one.state !== "open") return;
    command.mutate({
      path: `/api/links/reviews/${encodeURIComponent(one.id)}`,
      body: { decision, reason: reason.trim() || null },
    });
  };
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      // The button is only brought near: whoever presses the letter sees what Enter will do.
      if (event.key === "s") same.current?.focus();
      if (event.key === "d") different.current?.focus();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  const [left, right] = one.records;
  return (
    <Panel
      title={`${say(one.kind_title)} · ${s("reviews.score", { score: number(one.score, 1) })}`}
      aside={
        <span className="quiet">
          {s("reviews.department")} {say(one.department_title)} · <Moment at={one.raised_at} />
        </span>
      }
    >
      <div className="body stack" data-testid="review">
        <div className="sides">
          {left && <Side of={left} title={s("reviews.left")} beside={right} />}
          {right && <Side of={right} title={s("reviews.right")} beside={left} />}
        </div>
        <h3 className="evidence-title">{s("reviews.evidence")}</h3>
        <EvidenceList of={one.evidence} />
        <span className="quiet">{`${s("reviews.scoreMeans")} ${s("figures.model")} ${one.model}`}</span>
        {one.state === "open" ? (
          <>
            <Textarea
              label={s("reason")}
              autosize
              minRows={1}
              maxLength={2_000}
              data-testid="review-reason"
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
            {command.error !== null && <Failure error={command.error} />}
            <div className="line">
              <Button ref={same} loading={command.isPending} data-testid="review-same" onClick={() => decide("same")}>
                {s("reviews.decideSame")}
              </Button>
              <Button
                ref={different}
                variant="default"
                loading={command.isPending}
                data-testid="review-different"
                onClick={() => decide("different")}
              >
                {s("reviews.decideDifferent")}
              </Button>
            </div>
            <span className="quiet">{`${s("reviews.sameMeans")} ${s("reviews.differentMeans")}`}</span>
          </>
        ) : (
          <span>
            <span className="tag">{s(`reviews.${one.state}`)}</span>{" "}
            {one.decided_by !== null &&
              one.decided_at !== null &&
              s("reviews.decided", { by: one.decided_by, at: cityTime(one.decided_at, zone, "minute") })}
            {one.reason && ` · ${one.reason}`}
          </span>
        )}
      </div>
    </Panel>
  );
}

/** One record; what the other says otherwise is marked, with a word for those who do not see colours. */
function Side({ of: one, title, beside }: { of: ReviewSide; title: string; beside: ReviewSide | undefined }) {
  const { s, say, unit } = useSubjectWords();
  if (one.restricted)
    return (
      <section className="side" aria-label={title}>
        <h3>{title}</h3>
        <p className="quiet">
          {s("reviews.hidden", { department: say(one.department_title), dataset: say(one.title) })}
        </p>
      </section>
    );
  const other = beside !== undefined && !beside.restricted ? beside : null;
  const lines: [string, string | null, string | null][] = [
    [s("name"), one.name, other?.name ?? null],
    [s("one.former"), one.former, other?.former ?? null],
    [s("address"), one.address, other?.address ?? null],
    ...one.identifiers.map(({ type, title: what, value }): [string, string, string | null] => [
      say(what),
      value,
      other?.identifiers.find((each) => each.type === type)?.value ?? null,
    ]),
  ];
  return (
    <section className="side" aria-label={title}>
      <h3>{title}</h3>
      <div className="quiet">
        {say(one.dataset_title)} · {say(one.role_title)} · {unit(one.department)}
      </div>
      <dl>
        {lines
          .filter(([, value]) => value !== null)
          .map(([what, value, against]) => (
            <div key={what} data-differs={against !== null && against !== value ? true : undefined}>
              <dt>{what}</dt>
              <dd>
                {against !== null && against !== value && <span aria-hidden="true">≠ </span>}
                {value}
              </dd>
            </div>
          ))}
      </dl>
      <Link href={path(one.subject)}>{s("reviews.open-subject")}</Link>
    </section>
  );
}
