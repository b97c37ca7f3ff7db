/** What is behind a figure: the departments of a city's share, the tasks of a department's share, one task's story. */

import { Button } from "@mantine/core";
import { useState } from "react";
import { useSearchParams } from "wouter";
import { useMay, useSession } from "../api/queries";
import type { Iso } from "../api/types";
import { Sheet } from "../ui/Sheet";
import { Empty, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { FileAppeal } from "./FileAppeal";
import { pointsOf } from "./formula";
import { howOf, ShareButton, useChange, Wide } from "./parts";
import { useAppeals, useCounted, useSeesAppeals } from "./queries";
import { StoryOf } from "./Story";
import { type Counted, LESS_IS_BETTER, type Report } from "./types";
import { useAccountWords, useNames } from "./words";

interface At {
  rate?: string;
  department?: string;
  task?: string;
}

/** What is looked at is in the address, so it can be sent to somebody, and Back goes back. */
export function useDrill() {
  const change = useChange();
  return {
    open: ({ rate, department, task }: At) =>
      change({ rate: rate ?? null, department: department ?? null, task: task ?? null, counts: null }),
    close: () => change({ rate: null, department: null, task: null, counts: null }),
  };
}

export function Drill({ report, from, to }: { report: Report; from: Iso; to: Iso }) {
  const { a, rate: rateName } = useAccountWords();
  const [params] = useSearchParams();
  const change = useChange();
  const { close } = useDrill();
  const { unit } = useNames();
  const [rate, department, task] = ["rate", "department", "task"].map((name) => params.get(name));
  if (task)
    return (
      <Sheet key="task" at="side" close={close} title={a("story.of")}>
        {rate && (
          <div>
            <button type="button" className="link" data-testid="drill-back" onClick={() => change({ task: null })}>
              ← {a("back")}
            </button>
          </div>
        )}
        <StoryOf task={task} />
      </Sheet>
    );
  if (rate === "score" && department)
    return (
      <Sheet key="made" at="side" close={close} title={a("made.title", { department: unit(department) })}>
        <Made report={report} department={department} />
      </Sheet>
    );
  if (rate && department)
    return (
      <Sheet
        key="tasks"
        at="side"
        close={close}
        title={a("behind.of", { department: unit(department), rate: rateName(rate) })}
      >
        <Tasks key={`${department}${rate}`} department={department} rate={rate} from={from} to={to} />
      </Sheet>
    );
  if (rate)
    return (
      <Sheet key="city" at="side" close={close} title={a("behind.city", { rate: rateName(rate) })}>
        {rate === "dispatch_accuracy" ? <Dispatchers report={report} /> : <ByDepartment report={report} rate={rate} />}
      </Sheet>
    );
  return null;
}

/** A score term by term; each share opens its tasks. */
function Made({ report, department }: { report: Report; department: string }) {
  const words = useAccountWords();
  const { a, say, rate: rateName, number } = words;
  const { open } = useDrill();
  const { formula } = report;
  const one = report.departments.find((each) => each.department === department);
  if (one === undefined) return <Empty title={a("behind.none")} />;
  const terms = formula.terms.map((term) => ({ term, points: pointsOf(term, one.rates) }));
  const counted = terms.filter((each) => each.points !== null);
  const points = counted.reduce((sum, each) => sum + (each.points ?? 0), 0);
  const weight = counted.reduce((sum, each) => sum + each.term.weight, 0);
  return (
    <>
      <span className="quiet">
        {say(formula.title)} {formula.version}
      </span>
      <Wide label={a("formula.title")}>
        <Table data-testid="made">
          <thead>
            <tr>
              <th>{a("formula.term")}</th>
              <th>{a("formula.how")}</th>
              <th className="right">{a("made.share")}</th>
              <th className="right">{a("made.points")}</th>
            </tr>
          </thead>
          <tbody>
            {terms.map(({ term, points }) => (
              <tr key={term.rate}>
                <td>{rateName(term.rate)}</td>
                <td className="said">{points === null ? a("made.left") : howOf(term, words)}</td>
                <td className="right">
                  {[
                    ...new Set(term.deductions.length > 0 ? term.deductions.map((each) => each.rate) : [term.rate]),
                  ].map((name) => (
                    <div key={name}>
                      <ShareButton
                        share={one.rates[name]}
                        rate={name}
                        whose={say(one.title)}
                        open={() => open({ rate: name, department })}
                      />
                    </div>
                  ))}
                </td>
                <td className="right">
                  {number(points, 2)} <span className="quiet">/ {number(term.weight)}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
      </Wide>
      <strong className="numeric" data-testid="made-sum">
        {a(weight === formula.out_of ? "made.plain" : "made.sum", {
          points: number(points, 2),
          weight: number(weight),
          outOf: number(formula.out_of),
          score: number(one.score, 2),
        })}
      </strong>
    </>
  );
}

function What({ rate }: { rate: string }) {
  const { a, what } = useAccountWords();
  return <span className="quiet">{a("behind.what", { what: what(rate) })}</span>;
}

function ByDepartment({ report, rate }: { report: Report; rate: string }) {
  const { a, say, rate: rateName } = useAccountWords();
  const { open } = useDrill();
  const rows = report.departments.filter((one) => (one.rates[rate]?.den ?? 0) > 0);
  return (
    <>
      <What rate={rate} />
      <table className="table" data-testid="behind-city">
        <thead>
          <tr>
            <th>{a("department")}</th>
            <th className="right">{rateName(rate)}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((one) => (
            <tr key={one.department}>
              <td>{say(one.title)}</td>
              <td className="right">
                <ShareButton
                  share={one.rates[rate]}
                  rate={rate}
                  whose={say(one.title)}
                  open={() => open({ rate, department: one.department })}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Dispatchers({ report }: { report: Report }) {
  const { a } = useAccountWords();
  const { person } = useNames();
  return (
    <>
      <What rate="dispatch_accuracy" />
      <table className="table">
        <thead>
          <tr>
            <th>{a("behind.dispatchers")}</th>
            <th className="right">{a("behind.accuracy")}</th>
            <th className="right">{a("behind.upheldReturns")}</th>
          </tr>
        </thead>
        <tbody>
          {report.dispatchers.map((one) => (
            <tr key={one.dispatcher}>
              <td>{person(one.dispatcher)}</td>
              <td className="right">
                <ShareButton share={one.accuracy} rate="dispatch_accuracy" whose={one.dispatcher} open={null} />
              </td>
              <td className="right">{one.upheld_returns}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

const SIDES = ["all", "for", "against"] as const;
type Side = (typeof SIDES)[number];

const MOMENTS = [
  ["dispatched", "dispatched_at"],
  ["accepted", "accepted_at"],
  ["due", "due"],
  ["submitted", "submitted_at"],
  ["closed", "closed_at"],
] as const;

/** Whether a task counts in the department's favour: in the numerator, or out of it where less is better. */
export const favours = (counts: boolean, rate: string) => counts !== LESS_IS_BETTER.has(rate);

function Tasks({ department, rate, from, to }: { department: string; rate: string; from: Iso; to: Iso }) {
  const { a, say } = useAccountWords();
  const [params] = useSearchParams();
  const change = useChange();
  const given = params.get("counts");
  const side: Side = given === "for" || given === "against" ? given : "all";
  const counts = side === "all" ? null : (side === "for") !== LESS_IS_BETTER.has(rate);
  const behind = useCounted(department, rate, from, to, counts);
  const [appealing, setAppealing] = useState<Counted | null>(null);
  const mine = useSession().data?.actor;
  const files = useMay("appeal.file");
  const sees = useSeesAppeals();
  const appeals = useAppeals(null, sees).data?.pages.flatMap(({ items }) => items) ?? [];
  const appealed = new Map(appeals.filter((one) => one.department === department).map((one) => [one.task, one]));
  // The city decides whether somebody may; a clerk is only offered what can be the own department's.
  const offered = files && (mine?.department === null || mine?.department !== undefined);
  return (
    <>
      <What rate={rate} />
      <Button.Group>
        {SIDES.map((one) => (
          <Button
            key={one}
            size="xs"
            variant={side === one ? "filled" : "default"}
            aria-pressed={side === one}
            data-testid={`behind-${one}`}
            onClick={() => change({ counts: one === "all" ? null : one }, true)}
          >
            {a(`behind.${one}`)}
          </Button>
        ))}
      </Button.Group>
      <Shown of={behind} lines={8}>
        {({ pages }) => {
          const items = pages.flatMap((page) => page.items);
          const total = pages[0]?.total ?? 0;
          if (items.length === 0) return <Empty title={a("behind.none")} />;
          return (
            <>
              <Wide label={a("behind.scroll")}>
                <Table data-testid="behind-tasks" data-total={total}>
                  <thead>
                    <tr>
                      <th>{a("behind.task")}</th>
                      <th>{a("behind.counts")}</th>
                      {MOMENTS.map(([name]) => (
                        <th key={name}>{a(`behind.${name}`)}</th>
                      ))}
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((one) => {
                      const good = favours(one.counts, rate);
                      const there = appealed.get(one.task);
                      return (
                        <tr key={one.task} data-task={one.task} data-good={good}>
                          <td className="wide">
                            <button
                              type="button"
                              className="link"
                              data-testid="behind-task"
                              onClick={() => change({ task: one.task })}
                            >
                              {say(one.step_title)}
                            </button>
                            {one.round > 1 && <div className="quiet">{a("behind.round", { round: one.round })}</div>}
                          </td>
                          <td>
                            <span className={good ? "up" : "down"}>{a(good ? "behind.for" : "behind.against")}</span>
                            <div className="quiet">{a(one.counts ? "behind.in" : "behind.out")}</div>
                            {one.correction && (
                              <div className="tag">
                                {a("behind.corrected", { effect: a(`effect.${one.correction}`) })}
                              </div>
                            )}
                            {there && !one.correction && (
                              <div className="tag">
                                {a("appeal.filedAlready")} · {a(`appeals.${there.state}`)}
                              </div>
                            )}
                            {offered && !good && !there && !one.correction && (
                              <button
                                type="button"
                                className="link"
                                data-testid="appeal-open"
                                onClick={() => setAppealing(one)}
                              >
                                {a("appeal.file")}
                              </button>
                            )}
                          </td>
                          {MOMENTS.map(([name, field]) => (
                            <td key={name}>
                              <Moment at={one[field]} shape="short" />
                            </td>
                          ))}
                        </tr>
                      );
                    })}
                  </tbody>
                </Table>
              </Wide>
              {behind.hasNextPage && (
                <div>
                  <Button
                    size="xs"
                    variant="default"
                    loading={behind.isFetchingNextPage}
                    onClick={() => void behind.fetchNextPage()}
                  >
                    {a("more", { total })}
                  </Button>
                </div>
              )}
            </>
          );
        }}
      </Shown>
      {appealing && <FileAppeal task={appealing} rate={rate} close={() => setAppealing(null)} />}
    </>
  );
}
