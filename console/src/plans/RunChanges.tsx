/** What a commander changed in a run: what, why, who, when. */

import type { Run, RunPatch } from "../api/types";
import { Moment } from "../ui/Time";
import { usePlanWords } from "./words";

export default function RunChanges({ run }: { run: Run }) {
  const { p, say } = usePlanWords();
  const patches = run.patches ?? [];
  if (patches.length === 0) return null;
  const title = ({ op, step, spec }: RunPatch) =>
    op === "add" && spec?.step?.title
      ? say(spec.step.title)
      : say(run.tasks.find((task) => task.step === step)?.title ?? step);
  return (
    <section className="body" aria-label={p("changes.title")} data-testid="run-changes">
      <h3 style={{ margin: "8px 0 4px" }}>{p("changes.title")}</h3>
      <ul style={{ margin: 0, paddingLeft: 20 }}>
        {patches.map((patch) => (
          <li key={patch.n}>
            <strong>{p(`change.${patch.op}`)}</strong> · {title(patch)}
            {patch.unit_title && ` · ${p("changes.to", { unit: say(patch.unit_title) })}`}
            {patch.due && (
              <>
                {" "}
                · {p("changes.until")} <Moment at={patch.due} />
              </>
            )}
            <span className="quiet">
              {" "}
              · {p("changes.because", { reason: patch.reason })} · {patch.by ? say(patch.by.name) : ""}{" "}
              <Moment at={patch.at} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
