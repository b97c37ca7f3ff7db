/** All subjects anew under the present rules: what would change, ask for it, and see it done. For data stewards. */

import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { useMay, useSession } from "../api/queries";
import { useCommand } from "../api/useCommand";
import { JobProgress } from "../jobs/JobProgress";
import { type Job, underWay, useNewestJob } from "../jobs/queries";
import { Failure, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { path } from "./parts";
import { useRebuilds } from "./queries";
import type { Preview } from "./types";
import { useSubjectWords } from "./words";

const FIGURES = ["records", "subjects", "after", "moved", "merged", "split", "questions", "held"] as const;

/** Nothing for those who decide for their own department only. */
export function Rebuild() {
  const may = useMay("subject.review");
  const whole = useSession().data?.actor.department === null;
  return may && whole ? <Rebuilding /> : null;
}

function Rebuilding() {
  const { s } = useSubjectWords();
  const rebuilds = useRebuilds();
  const preview = useNewestJob<Job<Preview>>(["subjects-preview"], false);
  const compare = useCommand();
  const running = preview.data ? underWay(preview.data) : false;
  const [reason, setReason] = useState("");
  const command = useCommand({ done: () => setReason("") });
  const items = rebuilds.data?.items ?? [];
  const asked = items.some(({ state }) => state === "asked");
  return (
    <Panel title={s("rebuild.title")}>
      <div className="body stack" data-testid="rebuild">
        <span className="quiet">{s("rebuild.means")}</span>
        <Shown of={preview} lines={2}>
          {(job) =>
            job && (
              <>
                <JobProgress of={job} />
                {job.result && <Changes of={job.result} />}
              </>
            )
          }
        </Shown>
        {compare.error !== null && <Failure error={compare.error} />}
        {!running && (
          <div className="line">
            <Button
              variant="default"
              loading={compare.isPending}
              data-testid="rebuild-preview"
              onClick={() => compare.mutate({ path: "/api/subjects/rebuild/preview" })}
            >
              {s(preview.data?.result ? "rebuild.again" : "rebuild.preview")}
            </Button>
          </div>
        )}
        {preview.data?.result && !running && !asked && (
          <>
            <Textarea
              label={s("reason")}
              autosize
              minRows={1}
              maxLength={2_000}
              data-testid="rebuild-reason"
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
            {command.error !== null && <Failure error={command.error} />}
            <div className="line">
              <Button
                loading={command.isPending}
                disabled={reason.trim() === ""}
                data-testid="rebuild-start"
                onClick={() => command.mutate({ path: "/api/subjects/rebuild", body: { reason: reason.trim() } })}
              >
                {s("rebuild.start")}
              </Button>
            </div>
          </>
        )}
        {items.length > 0 && (
          <ul className="rebuilds" aria-label={s("rebuild.past")} data-testid="rebuilds">
            {items.slice(0, 5).map((one) => (
              <li key={one.id}>
                <span className="tag" role="status">
                  {s(`rebuild.${one.state}`)}
                </span>{" "}
                <Moment at={one.done_at ?? one.asked_at} /> · {one.by} · {one.reason}
              </li>
            ))}
          </ul>
        )}
      </div>
    </Panel>
  );
}

function Changes({ of: found }: { of: Preview }) {
  const { s, say, number } = useSubjectWords();
  return (
    <div className="stack" data-testid="rebuild-changes">
      {found.outdated && <span className="quiet">{s("rebuild.outdated")}</span>}
      <span>{found.due ? s("rebuild.due") : s("rebuild.current")}</span>
      <span className="quiet">
        {s("figures.model")} {found.model}
      </span>
      <div className="scroll" role="region" aria-label={s("rebuild.changes")} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th>{s("rebuild.kind")}</th>
              {FIGURES.map((name) => (
                <th key={name} className="numeric">
                  {s(`rebuild.${name}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {found.kinds.map((kind) => (
              <tr key={kind.kind}>
                <td>{say(kind.title)}</td>
                {FIGURES.map((name) => (
                  <td key={name} className="numeric">
                    {number(kind[name], 0)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.examples.length > 0 && (
        <ul className="rebuilds" aria-label={s("rebuild.examples")}>
          {found.examples.map((one) => (
            <li key={`${one.subject} ${one.into ?? one.names.join()}`}>
              {s(`rebuild.${one.type}One`, { n: number(one.records, 0) })}{" "}
              <Link href={path(one.subject)}>{one.names.join(" · ") || say(one.kind_title)}</Link>
              {one.into !== null && (
                <>
                  {" → "}
                  <Link href={path(one.into)}>{s("rebuild.other")}</Link>
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
