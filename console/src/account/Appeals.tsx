/** Appeals: what waits for an inspector, each with the task's story, the decision, and what it changed in the score. */

import { Button, Textarea } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { useSearchParams } from "wouter";
import { useMay, useSession } from "../api/queries";
import type { Iso } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useNow } from "../live/LiveProvider";
import { Sheet } from "../ui/Sheet";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { PeriodBar } from "./PeriodBar";
import { ShareButton, Signed, Tabs, useChange, usePeriod, Wide } from "./parts";
import { useAppeals, useScores } from "./queries";
import { StoryOf } from "./Story";
import { APPEAL_STATES, type Appeal, type AppealState, type Effect, type Scores } from "./types";
import { useAccountWords, useNames } from "./words";

const TONES = { open: "accent", upheld: undefined, dismissed: undefined } as const;

export function Appeals({ today }: { today: string }) {
  const { a, say, rate } = useAccountWords();
  const { person } = useNames();
  const [params] = useSearchParams();
  const change = useChange();
  const given = params.get("state");
  const state: AppealState | null =
    given === "all"
      ? null
      : (APPEAL_STATES as readonly string[]).includes(given ?? "")
        ? (given as AppealState)
        : "open";
  const appeals = useAppeals(state);
  const chosen = params.get("appeal");
  return (
    <div className="page account">
      <div className="head">
        <div>
          <h1>{a("appeals.title")}</h1>
          <Tabs at="appeals" />
        </div>
        <Button.Group>
          {[...APPEAL_STATES, "all" as const].map((one) => (
            <Button
              key={one}
              size="xs"
              variant={(state ?? "all") === one ? "filled" : "default"}
              aria-pressed={(state ?? "all") === one}
              data-testid={`appeals-${one}`}
              onClick={() => change({ state: one === "open" ? null : one }, true)}
            >
              {a(`appeals.${one}`)}
            </Button>
          ))}
        </Button.Group>
      </div>
      <Panel title={state === "open" ? a("appeals.queue") : undefined}>
        <Shown of={appeals} lines={6}>
          {({ pages }) => {
            const items = pages.flatMap((page) => page.items);
            if (items.length === 0) return <Empty title={a("appeals.none")}>{a("appeals.noneWhy")}</Empty>;
            return (
              <>
                <Wide label={a("appeals.title")}>
                  <Table data-testid="appeals-table">
                    <thead>
                      <tr>
                        <th>{a("department")}</th>
                        <th>{a("appeals.rate")}</th>
                        <th>{a("appeals.reason")}</th>
                        <th>{a("appeals.state")}</th>
                        <th>{a("appeals.filedAt")}</th>
                        <th>{a("appeals.by")}</th>
                        <th>{a("appeals.decidedAt")}</th>
                        <th>{a("appeals.decidedBy")}</th>
                      </tr>
                    </thead>
                    <tbody>
                      {items.map((one) => (
                        <tr key={one.id} data-appeal={one.id}>
                          <td>
                            <button
                              type="button"
                              className="link"
                              data-testid="appeal-row"
                              onClick={() => change({ appeal: one.id })}
                            >
                              {say(one.department_title)}
                            </button>
                          </td>
                          <td>{rate(one.rate)}</td>
                          <td className="said">{one.reason}</td>
                          <td>
                            <span className="tag" data-tone={TONES[one.state]}>
                              {a(`appeals.${one.state}`)}
                            </span>
                            {one.effect && <div className="quiet">{a(`effect.${one.effect}`)}</div>}
                          </td>
                          <td>
                            <Moment at={one.filed_at} ago={one.state === "open"} />
                          </td>
                          <td>{person(one.filed_by)}</td>
                          <td>
                            <Moment at={one.decided_at} />
                          </td>
                          <td>{person(one.decided_by)}</td>
                        </tr>
                      ))}
                    </tbody>
                  </Table>
                </Wide>
                {appeals.hasNextPage && (
                  <div className="under">
                    <Button
                      size="xs"
                      variant="default"
                      loading={appeals.isFetchingNextPage}
                      onClick={() => void appeals.fetchNextPage()}
                    >
                      {a("more", { total: pages[0]?.total ?? 0 })}
                    </Button>
                  </div>
                )}
              </>
            );
          }}
        </Shown>
      </Panel>
      {chosen && <One id={chosen} today={today} close={() => change({ appeal: null })} />}
    </div>
  );
}

/** One appeal. Its state may have left the list behind it, so it is looked for among all. */
function One({ id, today, close }: { id: string; today: string; close: () => void }) {
  const { a, t, rate, say } = useAccountWords();
  const every = useAppeals(null);
  const found = every.data?.pages.flatMap(({ items }) => items).find((one) => one.id === id);
  // An old one is on a later page.
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = every;
  const missing = found === undefined;
  useEffect(() => {
    if (missing && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [missing, hasNextPage, isFetchingNextPage, fetchNextPage]);
  const title =
    found === undefined
      ? a("appeals.title")
      : a("appeal.of", { department: say(found.department_title), rate: rate(found.rate) });
  return (
    <Sheet at="side" close={close} title={title}>
      {found === undefined ? (
        every.error ? (
          <Failure error={every.error} />
        ) : every.isFetching || every.hasNextPage ? (
          <Loading lines={6} />
        ) : (
          <Empty title={t("state.missing")}>{t("state.missingRemedy")}</Empty>
        )
      ) : (
        <Told appeal={found} today={today} />
      )}
    </Sheet>
  );
}

function Told({ appeal, today }: { appeal: Appeal; today: string }) {
  const { a } = useAccountWords();
  const { person } = useNames();
  const decides = useMay("appeal.decide");
  const me = useSession().data?.actor;
  const own = me?.id === appeal.filed_by.id || (me?.department != null && me.department === appeal.department);
  return (
    <div className="stack" style={{ gap: 16 }} data-testid="appeal" data-state={appeal.state}>
      <dl className="pairs">
        <dt>{a("appeals.state")}</dt>
        <dd>
          <span className="tag" data-tone={TONES[appeal.state]}>
            {a(`appeals.${appeal.state}`)}
          </span>
          {appeal.effect && ` ${a(`effect.${appeal.effect}`)}`}
        </dd>
        <dt>{a("appeals.filedAt")}</dt>
        <dd>
          <Moment at={appeal.filed_at} ago /> · {person(appeal.filed_by)}
        </dd>
        <dt>{a("appeals.reason")}</dt>
        <dd className="said">{appeal.reason}</dd>
        {appeal.evidence && (
          <>
            <dt>{a("appeals.evidence")}</dt>
            <dd className="said">{appeal.evidence}</dd>
          </>
        )}
        {appeal.decided_at && (
          <>
            <dt>{a("appeals.decidedAt")}</dt>
            <dd>
              <Moment at={appeal.decided_at} ago /> · {person(appeal.decided_by)}
            </dd>
            <dt>{a("appeals.decision")}</dt>
            <dd className="said">{appeal.decision}</dd>
          </>
        )}
      </dl>
      {appeal.state === "open" &&
        decides &&
        (own ? <p className="quiet">{a("appeal.own")}</p> : <Decide appeal={appeal} />)}
      {appeal.decided_at && (
        <section className="stack">
          <h3>{a("impact.title")}</h3>
          {appeal.state === "dismissed" ? (
            <span>{a("impact.none")}</span>
          ) : (
            <Impact appeal={appeal} decided={appeal.decided_at} today={today} />
          )}
        </section>
      )}
      <section className="stack">
        <h3>{a("appeal.story")}</h3>
        <StoryOf task={appeal.task} appeals={false} />
      </section>
    </div>
  );
}

function Decide({ appeal }: { appeal: Appeal }) {
  const { a } = useAccountWords();
  const tell = useTell();
  const [uphold, setUphold] = useState<boolean | null>(null);
  const [effect, setEffect] = useState<Effect>("exclude");
  const [reason, setReason] = useState("");
  const command = useCommand({ done: () => tell.done(a(uphold ? "appeal.decided" : "appeal.kept")) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    command.mutate({
      path: `/api/appeals/${encodeURIComponent(appeal.id)}/decide`,
      body: { uphold, reason: reason.trim(), ...(uphold ? { effect } : {}) },
    });
  };
  return (
    <form className="stack decide" onSubmit={submit} data-testid="decide">
      <span className="quiet">{a("appeal.readStory")}</span>
      <fieldset className="choice">
        <legend>{a("appeal.decide")}</legend>
        {([true, false] as const).map((one) => (
          <label key={String(one)}>
            <input
              type="radio"
              name="uphold"
              checked={uphold === one}
              data-testid={one ? "decide-uphold" : "decide-dismiss"}
              onChange={() => setUphold(one)}
            />
            {a(one ? "appeal.uphold" : "appeal.dismiss")}
          </label>
        ))}
      </fieldset>
      {uphold === true && (
        <fieldset className="choice">
          <legend>{a("appeal.effect")}</legend>
          {(["exclude", "count_as_good"] as const).map((one) => (
            <label key={one}>
              <input
                type="radio"
                name="effect"
                checked={effect === one}
                data-testid={`decide-${one}`}
                onChange={() => setEffect(one)}
              />
              <span>
                {a(`effect.${one}`)} <span className="quiet">{a(`effect.${one}.what`)}</span>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <Textarea
        label={a("appeals.decision")}
        required
        autosize
        minRows={2}
        maxLength={10_000}
        data-testid="decide-reason"
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      {command.error !== null && <Failure error={command.error} />}
      <div className="line sheet-actions">
        <Button
          type="submit"
          loading={command.isPending}
          disabled={uphold === null || reason.trim() === ""}
          data-testid="decide-confirm"
        >
          {a("appeal.confirm")}
        </Button>
      </div>
    </form>
  );
}

/** The score just before the decision and just after it, every other decision being the same in both. */
function Impact({ appeal, decided, today }: { appeal: Appeal; decided: Iso; today: string }) {
  const { a } = useAccountWords();
  const { from, to } = usePeriod(today);
  // One end for both questions, so that nothing but the decision lies between the answers.
  const now = useNow();
  const [end] = useState(() => new Date(now).toISOString());
  return (
    <>
      <PeriodBar today={today} />
      <Effected appeal={appeal} decided={decided} title={a("impact.period")} from={from} to={to ?? end} />
      <Effected appeal={appeal} decided={decided} title={a("impact.all")} from={null} to={end} />
    </>
  );
}

function Effected({
  appeal,
  decided,
  title,
  from,
  to,
}: {
  appeal: Appeal;
  decided: Iso;
  title: string;
  from: Iso | null;
  to: Iso;
}) {
  const { a, say, number, rate: rateName } = useAccountWords();
  // The city takes decisions before the moment that is named: at the decision's own it is not yet among them.
  const before = useScores(from, to, decided);
  const after = useScores(from, to, new Date(Date.parse(decided) + 1).toISOString());
  const row = (scores: Scores | undefined) =>
    scores?.departments.find(({ department }) => department === appeal.department);
  const [was, is] = [row(before.data), row(after.data)];
  const error = before.error ?? after.error;
  return (
    <div className="stack" data-testid="impact">
      <strong>{title}</strong>
      {error ? (
        <Failure error={error} />
      ) : before.data === undefined || after.data === undefined ? (
        <Loading lines={2} />
      ) : !was || !is || (was.corrections === is.corrections && was.score === is.score) ? (
        <span className="quiet">{a("impact.same")}</span>
      ) : (
        <table className="table">
          <thead>
            <tr>
              <th>{say(appeal.department_title)}</th>
              <th className="right">{a("impact.before")}</th>
              <th className="right">{a("impact.after")}</th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <td>{a("score")}</td>
              <td className="right">{number(was.score, 2)}</td>
              <td className="right" data-testid="impact-after">
                {number(is.score, 2)}{" "}
                <Signed by={was.score === null || is.score === null ? null : is.score - was.score} digits={2} />
              </td>
            </tr>
            <tr>
              <td>{a("rank")}</td>
              <td className="right">{was.rank ?? "—"}</td>
              <td className="right">{is.rank ?? "—"}</td>
            </tr>
            <tr>
              <td>{rateName(appeal.rate)}</td>
              <td className="right">
                <ShareButton share={was.rates[appeal.rate]} rate={appeal.rate} whose="" open={null} />
              </td>
              <td className="right">
                <ShareButton share={is.rates[appeal.rate]} rate={appeal.rate} whose="" open={null} />
              </td>
            </tr>
          </tbody>
        </table>
      )}
    </div>
  );
}
