/** Half an hour before a shift ends: what the person at the console has to hand over or to take over. */

import { Link } from "wouter";
import { useWords } from "../i18n";
import { cityTime } from "../time/format";
import { useZone } from "../ui/Time";
import { useAsked } from "./queries";

export function HandoverBanner() {
  const { t, say } = useWords();
  const zone = useZone();
  const asked = useAsked().data ?? [];
  return (
    <>
      {asked.map((one) => {
        const unit = new URLSearchParams({ unit: one.unit, shift: one.shift, day: one.day });
        const told = {
          unit: say(one.title),
          shift: say(one.shift_title),
          time: cityTime(one.to, zone, "hour"),
        };
        return (
          <div
            key={`${one.unit} ${one.shift} ${one.day}`}
            className="banner handover-banner"
            role="status"
            data-testid="handover-banner"
            data-role={one.role}
          >
            <span>
              {t(
                one.role === "leaving"
                  ? "handover.leaving"
                  : one.state === "signed"
                    ? "handover.coming"
                    : "handover.unsigned",
                told,
              )}
            </span>{" "}
            <Link href={`/handover?${unit}`}>{t(one.role === "leaving" ? "handover.write" : "handover.take")}</Link>
          </div>
        );
      })}
    </>
  );
}
