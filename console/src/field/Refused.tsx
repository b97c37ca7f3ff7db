/** One thing that the city did not accept: why, and the person decides. */

import { Button } from "@mantine/core";
import { Link, useLocation } from "wouter";
import type { Key } from "../i18n";
import { cityTime } from "../time/format";
import { useField } from "./context";
import type { Waiting } from "./types";
import { because, useFieldWords } from "./words";

export function Refused({ act, link = false }: { act: Waiting; link?: boolean }) {
  const words = useFieldWords();
  const { f, t, say } = words;
  const { sync, zone, shown } = useField();
  const [, go] = useLocation();
  if (act.refusal === null) return null;
  const { why, remedy } = because(act.refusal, act.verb, zone, words);
  const path = `/field/${encodeURIComponent(act.task)}`;
  const task = shown.kept.tasks.get(act.task);
  const mendable = act.verb === "submit" && task !== undefined && task.actions.includes("submit");
  const drop = () => {
    const written = act.body.note || act.photos.length > 0;
    if (!written || window.confirm(f("refused.dropSure"))) void sync.drop(act);
  };
  return (
    <article className="field-no" data-testid="refused" data-verb={act.verb}>
      <strong>{say(act.title)}</strong>
      <span className="quiet">
        {f("queue.pressed", { verb: t(`act.${act.verb}` as Key), time: cityTime(act.at, zone, "short") })}
      </span>
      <span className="late" data-testid="refused-why">
        {why}
      </span>
      {remedy && <span>{remedy}</span>}
      {act.body.note && <q className="quiet">{act.body.note}</q>}
      <div className="line">
        {mendable && (
          <Button
            size="md"
            data-testid="refused-mend"
            onClick={() => void sync.mend(act).then(() => go(`${path}?do=submit`))}
          >
            {f("refused.mend")}
          </Button>
        )}
        <Button size="md" variant="default" data-testid="refused-drop" onClick={drop}>
          {f("refused.drop")}
        </Button>
        {link && (
          <Link href={path} className="thumb">
            {f("refused.look")}
          </Link>
        )}
      </div>
    </article>
  );
}
