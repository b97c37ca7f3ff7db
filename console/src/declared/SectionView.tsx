/** One section of a declared page, in whatever state it is: loading, waiting, closed, empty, failed, or with its content. */

import { Link as Anchor } from "wouter";
import type { SeriesEvidence } from "../api/types";
import { EvidenceView, SeriesFigure } from "../ui/Evidence";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { DataTable } from "./DataTable";
import { FlowView } from "./FlowView";
import { FormView } from "./FormView";
import { MapView } from "./MapView";
import { type Given, useSection } from "./queries";
import { BarsView, FactsView } from "./SmallViews";
import { StagesView } from "./StagesView";
import type { Content, DatasetSaid, PageView, SectionAnswer, SectionEntry, Series } from "./types";
import { useDeclaredWords } from "./words";

export function SectionView({ page, section, given }: { page: PageView; section: SectionEntry; given: Given }) {
  const { say } = useDeclaredWords();
  const answer = useSection(page.id, section.id, given, page.refresh_seconds);
  return (
    <Panel
      title={say(section.title)}
      className="declared-section"
      aside={answer.data && answer.data.content.type !== "form" && <MadeOf answer={answer.data} />}
    >
      <div data-testid={`section-${section.id}`} data-busy={answer.isFetching || undefined}>
        <Shown of={answer} lines={4}>
          {({ content, sources }) => (
            <ContentView content={content} sources={sources} page={page} section={section} given={given} />
          )}
        </Shown>
        <WithheldColumns of={answer.data?.withheld ?? []} />
      </div>
    </Panel>
  );
}

/** Names the columns that are empty because they are withheld, and whose they are. */
function WithheldColumns({ of }: { of: NonNullable<SectionAnswer["withheld"]> }) {
  const { d, say, list } = useDeclaredWords();
  if (of.length === 0) return null;
  return (
    <p className="quiet" style={{ margin: 0, padding: "6px 12px" }} data-testid="withheld-columns">
      {d("withheld")}{" "}
      {of.map(({ dataset, title, columns }, at) => (
        <span key={dataset}>
          {at > 0 && d("withheld.next")}
          {list(columns.map((one) => say(one.title)))} (
          <Anchor href={`/catalogue/${encodeURIComponent(dataset)}`}>{say(title)}</Anchor>)
        </span>
      ))}
    </p>
  );
}

/** Of which datasets of which departments a section is made, and as of when. */
function MadeOf({ answer: { sources, as_of } }: { answer: SectionAnswer }) {
  const { d, say } = useDeclaredWords();
  return (
    <details className="declared-made">
      <summary>
        {d("as.of")} <Moment at={as_of} shape="short" />
      </summary>
      <ul>
        {sources.map(({ dataset, title, department_title }) => (
          <li key={dataset}>
            <Anchor href={`/catalogue/${encodeURIComponent(dataset)}`}>{say(title)}</Anchor>
            <span className="quiet"> {say(department_title)}</span>
          </li>
        ))}
        {sources.length === 0 && <li className="quiet">—</li>}
      </ul>
    </details>
  );
}

function ContentView({
  content,
  sources,
  page,
  section,
  given,
}: {
  content: Content;
  sources: DatasetSaid[];
  page: PageView;
  section: SectionEntry;
  given: Given;
}) {
  const { d, say, list } = useDeclaredWords();
  const label = say(section.title);
  const nothing = <Empty title={d("empty.title")}>{section.empty ? say(section.empty) : d("empty.why")}</Empty>;
  switch (content.type) {
    case "waiting": {
      const titles = new Map(page.parameters.map(({ name, title }) => [name, say(title)]));
      const names = list(content.missing.map((name) => titles.get(name) ?? name));
      return <Empty title={d("waiting.title", { names })}>{d("waiting.why")}</Empty>;
    }
    case "closed":
      return (
        <div className="state" data-testid="closed">
          <strong>{d("closed.title")}</strong>
          {content.datasets.map((one) => (
            <span key={one.dataset}>
              {d("closed.why", {
                dataset: say(one.title),
                department: say(one.department_title),
                sharing: d(`sharing.${one.sharing === 3 ? 3 : 2}`),
              })}{" "}
              <Anchor href={`/catalogue/${encodeURIComponent(one.dataset)}`}>
                {d(one.sharing === 3 ? "closed.look" : "closed.ask")}
              </Anchor>
            </span>
          ))}
        </div>
      );
    case "facts":
      return content.items.length === 0 ? nothing : <FactsView content={content} sources={sources} />;
    case "table":
      return content.rows.length === 0 ? nothing : <DataTable content={content} label={label} />;
    case "rows":
      return <EvidenceView evidence={content} />;
    case "series":
      return content.series.every(({ points }) => points.length === 0) ? (
        nothing
      ) : (
        <SeriesView content={content} title={section} />
      );
    case "bar":
      return content.bars.length === 0 ? nothing : <BarsView content={content} label={label} />;
    case "flow":
      return <FlowView content={content} label={label} />;
    case "stages":
      return <StagesView content={content} label={label} />;
    case "map":
      return content.points.length + content.tracks.length === 0 ? (
        nothing
      ) : (
        <MapView content={content} label={label} />
      );
    case "text":
      return <p className="declared-text">{say(content.text)}</p>;
    case "form":
      return (
        <FormView
          content={content}
          path={`/api/pages/${encodeURIComponent(page.id)}/sections/${encodeURIComponent(section.id)}`}
          given={given}
        />
      );
    case "group":
      return content.parts.map(({ title, content: part }, at) => (
        <div key={`${say(title)} ${at}`} className="declared-part">
          {title && <h3>{say(title)}</h3>}
          <ContentView content={part} sources={sources} page={page} section={section} given={given} />
        </div>
      ));
  }
}

function SeriesView({ content, title }: { content: Series; title: SectionEntry }) {
  const { say } = useDeclaredWords();
  const evidence: SeriesEvidence = { ...content, title: content.title ?? title.title };
  return (
    <div className="declared-series">
      <SeriesFigure evidence={evidence} height={240} />
      {content.note && <p className="declared-note quiet">{say(content.note)}</p>}
    </div>
  );
}
