/** The sections of a page in its grid of twelve columns. */

import { Empty, Panel } from "../ui/states";
import { Moment } from "../ui/Time";
import type { Given } from "./queries";
import { SectionView } from "./SectionView";
import type { PageView } from "./types";
import { useDeclaredWords } from "./words";
import "./declared.css";

export function Sections({ page, given }: { page: PageView; given: Given }) {
  const { d, say, list } = useDeclaredWords();
  const missing = page.parameters.filter(
    ({ name, required }) => required && (given[name] ?? page.values[name] ?? "") === "",
  );
  if (missing.length > 0 && page.sections.every(({ kind }) => kind !== "stages" && kind !== "text"))
    return (
      <Panel>
        <Empty title={d("waiting.title", { names: list(missing.map(({ title }) => say(title))) })}>
          {d("waiting.why")}
        </Empty>
      </Panel>
    );
  return (
    <div className="declared-grid">
      {page.sections.map((section) => (
        <div key={section.id} data-width={section.width}>
          <SectionView page={page} section={section} given={given} />
        </div>
      ))}
    </div>
  );
}

/** That what is shown is of the past, and the way back. */
export function Past({ at, back }: { at: string; back: () => void }) {
  const { d } = useDeclaredWords();
  const [before, after] = d("at.past", { at: "\u0000" }).split("\u0000");
  return (
    <p className="banner declared-past" role="status">
      <span>
        {before}
        <Moment at={at} />
        {after}
      </span>
      <button type="button" className="link" onClick={back}>
        {d("at.now")}
      </button>
    </p>
  );
}
