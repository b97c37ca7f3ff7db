/** Which period, which parameters otherwise. What is left as it is stays as it is. */

import { Button, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useCommand } from "../api/useCommand";
import { useNow } from "../live/LiveProvider";
import { cityTime, dayStart } from "../time/format";
import { DateField } from "../ui/DateField";
import { useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { brief, unitOf, whole } from "./amount";
import { nextDay } from "./day";
import type { DetectorDetail, Parameter, Trial } from "./queries";
import { useDetectorWords } from "./words";

/** A text as a value of the kind that the parameter has now; undefined when it is none. */
export function read(text: string, { value }: Parameter): unknown {
  if (typeof value === "string") return text;
  try {
    const given: unknown = JSON.parse(text);
    const alike = Array.isArray(value) ? Array.isArray(given) : typeof given === typeof value && !Array.isArray(given);
    return alike ? given : undefined;
  } catch {
    return undefined;
  }
}

export function TrialForm({ detector, started }: { detector: DetectorDetail; started: (id: string) => void }) {
  const { p, say, language } = useDetectorWords();
  const zone = useZone();
  const tell = useTell();
  const now = useNow();
  const today = cityTime(now, zone, "date");
  const monthAgo = cityTime(now - 30 * 86_400_000, zone, "date");
  const [from, setFrom] = useState(monthAgo);
  const [to, setTo] = useState(today);
  const [name, setName] = useState("");
  const [texts, setTexts] = useState<Record<string, string>>({});
  const start = useCommand<Trial>({
    done: ({ id }) => {
      tell.done(p("started"));
      started(id);
    },
    failed: tell.failed,
  });
  const changed = detector.parameters.flatMap((one) => {
    const text = texts[one.name];
    return text === undefined || text === whole(one.value) ? [] : [{ name: one.name, value: read(text, one) }];
  });
  const bad = changed.find(({ value }) => value === undefined);
  const backwards = from > to;
  const present = ({ name, value }: Parameter) => {
    const unit = unitOf(name);
    const said = value !== null && typeof value === "object" && !Array.isArray(value) ? "" : brief(value, language);
    return (
      <>
        {said && p("presentValue", { value: unit ? `${said} ${p(unit)}` : said })} <span className="mono">{name}</span>
      </>
    );
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (bad || backwards || start.isPending) return;
    start.mutate({
      path: `/api/detectors/${encodeURIComponent(detector.id)}/trials`,
      body: {
        since: dayStart(from, zone),
        until: dayStart(nextDay(to), zone),
        name,
        parameters: Object.fromEntries(changed.map((one) => [one.name, one.value])),
      },
    });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <div className="trial-form">
        <DateField size="xs" required label={p("from")} data-testid="trial-from" value={from} change={setFrom} />
        <DateField
          size="xs"
          required
          label={p("to")}
          data-testid="trial-to"
          error={backwards ? p("backwards") : undefined}
          value={to}
          change={setTo}
        />
        <TextInput
          size="xs"
          maxLength={120}
          label={p("called")}
          data-testid="trial-name"
          value={name}
          onChange={({ currentTarget: { value } }) => setName(value)}
        />
      </div>
      {detector.parameters.length > 0 && (
        <details open={detector.parameters.length <= 8}>
          <summary>
            {p("changed")} {changed.length > 0 && `(${changed.length})`}
          </summary>
          <div className="trial-form" style={{ paddingTop: 8 }}>
            {detector.parameters.map((one) => (
              <TextInput
                key={one.name}
                size="xs"
                label={one.meaning ? say(one.meaning) : <span className="mono">{one.name}</span>}
                description={present(one)}
                inputWrapperOrder={["label", "input", "description", "error"]}
                data-testid={`trial-parameter-${one.name}`}
                error={bad?.name === one.name ? p("bad", { name: one.name }) : undefined}
                value={texts[one.name] ?? whole(one.value)}
                onChange={({ currentTarget: { value } }) => setTexts({ ...texts, [one.name]: value })}
              />
            ))}
          </div>
        </details>
      )}
      <div className="line">
        <Button
          type="submit"
          size="xs"
          data-testid="trial-start"
          loading={start.isPending}
          disabled={bad !== undefined || backwards}
        >
          {p("start")}
        </Button>
      </div>
    </form>
  );
}
