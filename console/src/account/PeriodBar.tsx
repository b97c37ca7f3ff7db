/** Which period a page is about: the last days, a month, days of one's own, everything. */

import { Button } from "@mantine/core";
import { DateField } from "../ui/DateField";
import { useChange, usePeriod } from "./parts";
import { CHOICES, type Choice, moved } from "./period";
import { useAccountWords } from "./words";

export function PeriodBar({ today }: { today: string }) {
  const { a } = useAccountWords();
  const { period } = usePeriod(today);
  const change = useChange();
  const month = today.slice(0, 7);
  const choose = (choice: Choice) => {
    if (choice === "month") change({ period: month, from: null, to: null }, true);
    else if (choice === "own")
      change({ period: "own", from: period.from ?? moved(today, -29), to: period.through ?? today }, true);
    else change({ period: choice === "30d" ? null : choice, from: null, to: null }, true);
  };
  const backwards = period.from !== null && period.through !== null && period.from > period.through;
  return (
    <fieldset className="line period">
      <legend className="unseen">{a("period.label")}</legend>
      <Button.Group>
        {CHOICES.map((one) => (
          <Button
            key={one}
            size="xs"
            variant={period.choice === one ? "filled" : "default"}
            aria-pressed={period.choice === one}
            data-testid={`period-${one}`}
            onClick={() => choose(one)}
          >
            {a(`period.${one}`)}
          </Button>
        ))}
      </Button.Group>
      {period.choice === "month" && (
        <DateField
          kind="month"
          size="xs"
          aria-label={a("period.whichMonth")}
          data-testid="period-which"
          max={month}
          value={period.from?.slice(0, 7) ?? month}
          change={(value) => value !== "" && value <= month && change({ period: value }, true)}
        />
      )}
      {period.choice === "own" && (
        <>
          <DateField
            size="xs"
            aria-label={a("period.from")}
            leftSection={<span>{a("period.from")}</span>}
            leftSectionWidth={44}
            data-testid="period-from"
            max={today}
            value={period.from ?? ""}
            change={(value) => value <= today && change({ period: "own", from: value || null }, true)}
          />
          <DateField
            size="xs"
            aria-label={a("period.through")}
            leftSection={<span className="through">{a("period.through")}</span>}
            leftSectionWidth={96}
            data-testid="period-to"
            max={today}
            value={period.through ?? today}
            change={(value) => change({ period: "own", to: value || null }, true)}
          />
        </>
      )}
      {backwards && (
        <span className="late" role="alert">
          {a("period.backwards")}
        </span>
      )}
    </fieldset>
  );
}
