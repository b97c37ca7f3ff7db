/** One piece of long work: how far it is, and the way to what came of it. */

import { Link, useParams } from "wouter";
import { RealMoment } from "../people/parts";
import { duration } from "../time/format";
import { Panel, Shown } from "../ui/states";
import { JobProgress, JobTag } from "./JobProgress";
import { useJob } from "./queries";
import { useJobWords } from "./words";

export default function JobPage() {
  const { p, say, language } = useJobWords();
  const id = decodeURIComponent(useParams<{ id: string }>().id);
  const job = useJob(id);
  return (
    <div className="page">
      <div>
        <nav className="crumbs" aria-label={p("title")}>
          <Link href="/jobs">{p("title")}</Link>
        </nav>
        <h1 style={{ fontSize: 20, margin: 0, overflowWrap: "anywhere" }}>
          {job.data ? say(job.data.title) : p("title")}
        </h1>
      </div>
      <Shown of={job} lines={4}>
        {(one) => (
          <Panel title={say(one.kind_title)} aside={<JobTag of={one} />}>
            <div className="body stack" data-testid="job" data-state={one.state}>
              <JobProgress of={one} />
              <dl className="pairs">
                <dt>{p("by")}</dt>
                <dd>{say(one.by.name)}</dd>
                <dt>{p("asked")}</dt>
                <dd>
                  <RealMoment at={one.asked_at} />
                </dd>
                <dt>{p("took")}</dt>
                <dd>{one.seconds === null ? "—" : duration(one.seconds, language)}</dd>
                {one.expires_at !== null && (
                  <>
                    <dt>{p("kept")}</dt>
                    <dd>
                      <RealMoment at={one.expires_at} />
                    </dd>
                  </>
                )}
              </dl>
              {one.path !== null && (
                <div>
                  <Link href={one.path} data-testid="job-open">
                    {p("open")}
                  </Link>
                </div>
              )}
            </div>
          </Panel>
        )}
      </Shown>
    </div>
  );
}
