/** A whole in its stages: each system of each department over the stages it knows of, with what has come from it. */

import { Link as Anchor } from "wouter";
import { useWidth } from "../flow/useWidth";
import { duration } from "../time/format";
import { SourceStateWord } from "../ui/SourceState";
import type { StageSystem, Stages } from "./types";
import { useDeclaredWords } from "./words";

const NARROW = 760;

interface Run {
  from: number;
  length: number;
  system: boolean;
}

/** The stages of a system as stretches: where it is, and where it is not. */
export function runs(stages: readonly string[], own: readonly string[]): Run[] {
  const found: Run[] = [];
  stages.forEach((id, at) => {
    const system = own.includes(id);
    const last = found.at(-1);
    if (last && last.system === system) last.length += 1;
    else found.push({ from: at, length: 1, system });
  });
  return found;
}

export function StagesView({ content, label }: { content: Stages; label: string }) {
  const { d, say } = useDeclaredWords();
  const [box, width] = useWidth<HTMLDivElement>(1_000);
  const departments = [...new Set(content.systems.map(({ department }) => department))].map((code) =>
    content.systems.filter(({ department }) => department === code),
  );
  const ids = content.stages.map(({ id }) => id);
  const titles = new Map(content.stages.map(({ id, title }) => [id, say(title)]));
  return (
    <div ref={box}>
      {width < NARROW ? (
        <ul className="declared-systems" data-testid="stages">
          {content.systems.map((one) => (
            <li key={`${one.department} ${say(one.title)}`}>
              <span className="quiet">{say(one.department_title)}</span>
              <Card of={one} />
              <span className="line">
                {one.stages.map((id) => (
                  <span key={id} className="tag">
                    {titles.get(id)}
                  </span>
                ))}
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <section className="declared-wide" tabIndex={0} aria-label={label}>
          <table className="declared-stages" data-testid="stages">
            <thead>
              <tr>
                <th scope="col">{d("stages.department")}</th>
                {content.stages.map(({ id, title }) => (
                  <th key={id} scope="col">
                    {say(title)}
                  </th>
                ))}
              </tr>
            </thead>
            {departments.map((systems) => (
              <tbody key={systems[0]?.department}>
                {systems.map((one, row) => {
                  let shown = false;
                  return (
                    <tr key={say(one.title)}>
                      {row === 0 && (
                        <th scope="rowgroup" rowSpan={systems.length}>
                          <Anchor href={`/flow/${encodeURIComponent(one.department)}`}>
                            {say(one.department_title)}
                          </Anchor>
                        </th>
                      )}
                      {runs(ids, one.stages).map((run) => {
                        if (!run.system)
                          return Array.from({ length: run.length }, (_, at) => <td key={`${run.from} ${at}`} />);
                        const again = shown;
                        shown = true;
                        return (
                          <td key={run.from} colSpan={run.length} className="here">
                            {again ? <span className="again">{say(one.title)}</span> : <Card of={one} />}
                          </td>
                        );
                      })}
                    </tr>
                  );
                })}
              </tbody>
            ))}
          </table>
        </section>
      )}
      {content.note && <p className="declared-note quiet">{say(content.note)}</p>}
    </div>
  );
}

function Card({ of: one }: { of: StageSystem }) {
  const { d, say, number, language } = useDeclaredWords();
  const only = one.sources.length === 1 ? one.sources[0] : null;
  const href = one.page
    ? `/app/${encodeURIComponent(one.page)}`
    : only
      ? `/sources/${encodeURIComponent(only.source)}`
      : `/flow/${encodeURIComponent(one.department)}`;
  return (
    <div className="declared-system" data-state={one.state ?? "hidden"}>
      <Anchor href={href}>{say(one.title)}</Anchor>
      <span className="line quiet numeric">
        {one.state === null ? (
          d("stages.hidden")
        ) : (
          <>
            <SourceStateWord state={one.state} />
            <span>{d("stages.rows", { n: number(one.rows, 0) })}</span>
            <span>
              {one.freshness_seconds === null
                ? d("stages.silent")
                : d("stages.fresh", { length: duration(one.freshness_seconds, language) })}
            </span>
            {(one.quarantined ?? 0) > 0 && (
              <span className="late">{d("stages.bad", { n: number(one.quarantined, 0) })}</span>
            )}
          </>
        )}
      </span>
    </div>
  );
}
