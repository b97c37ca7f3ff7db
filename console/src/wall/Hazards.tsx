/** Hazard sources: sites by how near their tanks are to an alarm value, and the graded ones; else what applications show. */

import { useLayer, usePanel } from "../api/queries";
import type { Layer, Panel } from "../api/types";
import { useSection } from "../declared/queries";
import { useNow } from "../live/LiveProvider";
import { bandOf } from "../map/bands";
import { DeclaredView } from "../ui/figures";
import { Given, Nothing, Pane } from "./parts";
import { pageOf, useRoom } from "./turning";
import { useWallWords } from "./words";

/** The layer and the section with what is declared about major hazards. */
export const TANKS = "hazchem.tanks";
const PAGE = "hazchem.hazards";
const GRADES = "grades";
const ROW = 2.6;

export function Hazards({ layer, turn, on }: { layer: Layer; turn: number; on: boolean }) {
  const { w, say, number } = useWallWords();
  const features = useLayer(layer.id, null);
  const [box, room] = useRoom<HTMLDivElement>(ROW);
  const sites = (features.data?.features ?? [])
    .map(({ properties }) => properties)
    .filter((one): one is typeof one & { value: number } => typeof one.value === "number")
    .sort((a, b) => b.value - a.value);
  const page = pageOf(sites, room, turn);
  const bands = [...layer.bands].reverse().map((band) => ({
    band,
    n: sites.filter(({ value }) => bandOf(layer, value) === band).length,
  }));
  const most = sites.reduce((so, { value }) => Math.max(so, value), 100);
  return (
    <Pane
      name="hazards"
      title={layer.unit ? `${w("hazards.title")} (${layer.unit})` : w("hazards.title")}
      of={[features]}
      page={page}
      on={on}
      aside={<Grades />}
    >
      <Given of={features}>
        {() =>
          sites.length === 0 ? (
            <Nothing title={w("hazards.none")}>{w("hazards.noneWhy")}</Nothing>
          ) : (
            <ul className="wall-bands">
              {bands.map(({ band, n }) => (
                <li key={String(band.from)} data-none={n === 0}>
                  <span className="swatch" style={{ background: band.colour }} />
                  <span>{say(band.label)}</span>
                  <strong className="numeric">{number(n, 0)}</strong>
                </li>
              ))}
            </ul>
          )
        }
      </Given>
      <h3 className="unseen">{w("hazards.nearest")}</h3>
      <div className="wall-list" ref={box}>
        <ul>
          {page.shown.map((site) => (
            <li key={site.key} className="wall-row" data-testid="wall-site">
              <span className="wall-name">{say(site.name)}</span>
              <span className="wall-bar" aria-hidden="true">
                <span
                  style={{ background: bandOf(layer, site.value)?.colour, width: `${(site.value / most) * 100}%` }}
                />
              </span>
              <strong className="numeric">
                {number(site.value, 0)}
                {layer.unit}
              </strong>
              <span className="wall-late">{site.stale && w("hazards.stale")}</span>
            </li>
          ))}
        </ul>
      </div>
    </Pane>
  );
}

/** How many sites there are of each grade, as the declared page tells it. */
function Grades() {
  const { w, say, number } = useWallWords();
  const answer = useSection(PAGE, GRADES, {}, 300).data?.content;
  if (answer?.type !== "table") return null;
  const place = answer.columns.findIndex(({ name }) => name === "grade");
  const counts = new Map<string, number>();
  for (const row of answer.rows) {
    const cell = row[place];
    const grade = typeof cell === "object" ? say(cell) : "";
    if (grade !== "") counts.set(grade, (counts.get(grade) ?? 0) + 1);
  }
  if (counts.size === 0) return null;
  return (
    <span className="wall-grades" data-testid="wall-grades">
      <span className="unseen">{w("hazards.grades")}</span>
      {[...counts].map(([grade, n]) => (
        <span key={grade}>
          {grade} <strong className="numeric">{number(n, 0)}</strong>
        </span>
      ))}
    </span>
  );
}

/** In a city without that application: its declared panels, one after another. */
export function Declared({ panels, turn, on }: { panels: readonly Panel[]; turn: number; on: boolean }) {
  const page = pageOf(panels, 1, turn);
  const [panel] = page.shown;
  return panel === undefined ? null : <One key={panel.id} panel={panel} page={page} on={on} />;
}

function One({ panel, page, on }: { panel: Panel; page: { n: number; total: number }; on: boolean }) {
  const { say } = useWallWords();
  const hour = 3_600_000;
  const now = Math.floor(useNow() / hour) * hour;
  const content = usePanel(panel.id);
  return (
    <Pane name="hazards" title={say(panel.title)} of={[content]} page={page} on={on}>
      <section className="wall-list wall-declared" aria-label={say(panel.title)} tabIndex={0}>
        <Given of={content}>{(given) => <DeclaredView content={given} now={now} />}</Given>
      </section>
    </Pane>
  );
}
