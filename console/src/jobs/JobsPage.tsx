/** Long work that one asked for, and that of others as far as one may see it. */

import { NativeSelect } from "@mantine/core";
import { Link, useSearchParams } from "wouter";
import { RealMoment } from "../people/parts";
import { duration } from "../time/format";
import { LongTable } from "../ui/LongTable";
import { Empty, Panel, Shown } from "../ui/states";
import { JobTag, StopJob } from "./JobProgress";
import { useJobs } from "./queries";
import { useJobWords } from "./words";

export default function JobsPage() {
  const { p, say, language } = useJobWords();
  const [params, setParams] = useSearchParams();
  const mine = params.get("whose") !== "all";
  const jobs = useJobs(mine);
  const items = jobs.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{p("title")}</h1>
          <span className="quiet">{p("about")}</span>
        </div>
        <NativeSelect
          size="xs"
          aria-label={p("whose")}
          data-testid="jobs-whose"
          data={[
            { value: "mine", label: p("mine") },
            { value: "all", label: p("all") },
          ]}
          value={mine ? "mine" : "all"}
          onChange={({ currentTarget: { value } }) =>
            setParams(value === "mine" ? {} : { whose: value }, { replace: true })
          }
        />
      </div>
      <Panel>
        <Shown of={jobs} lines={8}>
          {() =>
            items.length === 0 ? (
              <Empty title={p("none")}>{p("noneWhy")}</Empty>
            ) : (
              <LongTable
                label={p("title")}
                test="jobs"
                columns={6}
                count={items.length}
                pages={jobs}
                head={
                  <tr>
                    <th data-cell="plain">{p("state")}</th>
                    <th data-cell="title">{p("what")}</th>
                    <th>{p("by")}</th>
                    <th>{p("asked")}</th>
                    <th className="right">{p("took")}</th>
                    <th data-cell="plain" />
                  </tr>
                }
                row={(index, props) => {
                  const one = items[index];
                  return one === undefined ? null : (
                    <tr key={one.id} {...props} data-testid="job-row" data-kind={one.kind}>
                      <td>
                        <JobTag of={one} />
                      </td>
                      <td>
                        <Link href={`/jobs/${encodeURIComponent(one.id)}`}>{say(one.title)}</Link>
                        <div className="quiet">{say(one.kind_title)}</div>
                      </td>
                      <td>{say(one.by.name)}</td>
                      <td>
                        <RealMoment at={one.asked_at} />
                      </td>
                      <td className="right">{one.seconds === null ? "—" : duration(one.seconds, language)}</td>
                      <td className="right">
                        <StopJob of={one} />
                      </td>
                    </tr>
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
