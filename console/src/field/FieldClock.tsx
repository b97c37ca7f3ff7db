/** The clock of a task in large figures: what must be done by when, and how long that is. */

import type { Task } from "../api/types";
import { cityTime, duration } from "../time/format";
import { lateness, running } from "../ui/deadlines";
import { useField } from "./context";
import { useFieldWords } from "./words";

export function FieldClock({ task }: { task: Task }) {
  const { t, language } = useFieldWords();
  const { now, zone } = useField();
  const clock = running(task, now);
  const late = lateness(task, now);
  if (clock === null)
    return late === null ? null : (
      <span className="late">{t("clock.wasOver", { length: duration(late / 1000, language) })}</span>
    );
  const length = duration(clock.left / 1000, language);
  return (
    <span className="field-clock numeric" data-tone={clock.left < 0 ? "late" : undefined}>
      <strong>{clock.left < 0 ? t("clock.over", { length }) : length}</strong>
      <span className="quiet">
        {t(clock.kind === "accept" ? "clock.accept" : "clock.due")}{" "}
        <time dateTime={new Date(clock.at).toISOString()}>{cityTime(clock.at, zone, "short")}</time>
      </span>
    </span>
  );
}
