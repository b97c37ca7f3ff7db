/** A panel of an application, shown wherever it declared itself. */

import { usePanel } from "../api/queries";
import type { Panel as Declaration } from "../api/types";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { DeclaredView } from "./figures";
import { Panel, Shown } from "./states";

export function Declared({ panel }: { panel: Declaration }) {
  const { say } = useWords();
  const hour = 3_600_000;
  const now = Math.floor(useNow() / hour) * hour;
  const content = usePanel(panel.id);
  return (
    <Panel title={say(panel.title)}>
      <section
        className="flush"
        tabIndex={0}
        aria-label={say(panel.title)}
        style={{ maxHeight: 400, padding: "0 8px 8px" }}
      >
        <Shown of={content}>{(given) => <DeclaredView content={given} now={now} />}</Shown>
      </section>
    </Panel>
  );
}
