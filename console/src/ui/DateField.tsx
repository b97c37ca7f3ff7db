/**
 * A date, a month, a moment or a time of day, written as the city writes it and in the language of the page: the
 * browser's own fields speak the browser's language and order. Values are those of the input elements of HTML.
 *
 * One types (2026-3-1, 20260301 and 2026年3月1日 are understood) or opens the calendar. What is not yet a date is not
 * told; what is none when one leaves the field says so and keeps the form from being sent. A form that checks itself
 * (`noValidate`) asks `unreadDate`.
 */

import { TextInput, type TextInputProps } from "@mantine/core";
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useCity } from "../api/queries";
import { ownWords } from "../i18n/own";
import { cityTime } from "../time/format";
import { dayOn, finished, meant, monthOn, type Written, weekday, weeks, written } from "../time/written";
import { en } from "./dates.en";
import { zh } from "./dates.zh";
import { CalendarIcon } from "./icons";
import "./dates.css";

/** The first date of a form that is not understood. */
export const unreadDate = (form: HTMLFormElement) => form.querySelector<HTMLElement>("input[data-date]:invalid");

const useDateWords = ownWords(zh, en);
const EXAMPLES: Record<Written, string> = {
  date: "2026-03-01",
  month: "2026-03",
  "datetime-local": "2026-03-01 08:30",
  time: "08:30",
};

interface Props extends Omit<TextInputProps, "type" | "value" | "onChange" | "min" | "max"> {
  kind?: Written;
  value: string;
  change: (value: string) => void;
  min?: string;
  max?: string;
}

export function DateField({ kind = "date", value, change, min, max, error, onBlur, onKeyDown, ...props }: Props) {
  const { p } = useDateWords();
  const input = useRef<HTMLInputElement>(null);
  const [draft, setDraft] = useState<string | null>(null);
  const [left, setLeft] = useState(false);
  const [open, setOpen] = useState(false);
  const text = draft ?? written(value);

  const wrong = (said: string): string | undefined => {
    if (said.trim() === "") return undefined;
    const found = meant(said, kind);
    if (found === null) return p(`not.${kind}`, { example: EXAMPLES[kind] });
    if (min && found < min) return p("early", { min: written(min) });
    if (max && found > max) return p("late", { max: written(max) });
    return undefined;
  };
  const fault = wrong(text);
  useEffect(() => input.current?.setCustomValidity(fault ?? ""), [fault]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another value from outside replaces what was being written
  useEffect(() => setDraft((now) => (now !== null && meant(now, kind) !== value ? null : now)), [value]);

  const type = (said: string) => {
    setDraft(said);
    setLeft(false);
    const found = said.trim() === "" ? "" : finished(said, kind) && !wrong(said) ? meant(said, kind) : null;
    if (found !== null && found !== value) change(found);
  };
  const leave = () => {
    if (draft === null) return;
    if (wrong(draft)) return setLeft(true);
    const found = draft.trim() === "" ? "" : meant(draft, kind);
    if (found !== null && found !== value) change(found);
    setDraft(null);
  };
  const choose = (found: string) => {
    setOpen(false);
    setDraft(null);
    change(kind === "datetime-local" ? `${found}T${value.slice(11, 16) || "00:00"}` : found);
    // the day is chosen, the time is what is left to write
    requestAnimationFrame(() => {
      input.current?.focus();
      if (kind === "datetime-local") input.current?.setSelectionRange(11, 16);
    });
  };
  return (
    <TextInput
      autoComplete="off"
      inputMode={kind === "time" ? "numeric" : undefined}
      placeholder={p(`form.${kind}`)}
      {...props}
      ref={input}
      data-date={kind}
      value={text}
      error={error ?? (left || draft === null ? fault : undefined)}
      onChange={({ currentTarget }) => type(currentTarget.value)}
      onBlur={(event) => {
        leave();
        onBlur?.(event);
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter") leave(); // the form is sent without leaving the field
        onKeyDown?.(event);
      }}
      rightSectionPointerEvents="all"
      rightSection={
        kind === "time" ? undefined : (
          <>
            <button
              type="button"
              className="plain date-open"
              aria-label={p("choose")}
              aria-expanded={open}
              aria-haspopup="dialog"
              disabled={props.disabled}
              onClick={() => setOpen(!open)}
            >
              <CalendarIcon />
            </button>
            {open && (
              <Calendar
                months={kind === "month"}
                value={meant(text, kind)?.slice(0, kind === "month" ? 7 : 10) ?? ""}
                min={min?.slice(0, 10)}
                max={max?.slice(0, 10)}
                choose={choose}
                close={() => setOpen(false)}
                beside={input}
              />
            )}
          </>
        )
      }
    />
  );
}

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };

function Calendar({
  months,
  value,
  min,
  max,
  choose,
  close,
  beside,
}: {
  /** Whether a month is chosen, not a day. */
  months: boolean;
  value: string;
  min: string | undefined;
  max: string | undefined;
  choose: (value: string) => void;
  close: () => void;
  beside: { current: HTMLInputElement | null };
}) {
  const { p, language } = useDateWords();
  const city = useCity().data;
  /** In a calendar of months every month is its first day. */
  const whole = (one: string) => (months && one ? `${one.slice(0, 7)}-01` : one);
  const today = city ? whole(cityTime(city.now, city.zone, "date")) : "";
  const within = (day: string) => (min && day < whole(min) ? whole(min) : max && day > whole(max) ? whole(max) : day);
  const [at, setAt] = useState(() => within(whole(value) || today || "2026-01-01"));
  const box = useRef<HTMLDivElement>(null);
  const current = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    const here = box.current;
    const field = beside.current?.getBoundingClientRect();
    if (!here || !field) return;
    here.showPopover();
    const { width, height } = here.getBoundingClientRect();
    const below = field.bottom + 4 + height <= window.innerHeight || field.top < height + 4;
    here.style.left = `${Math.max(8, Math.min(field.left, window.innerWidth - width - 8))}px`;
    here.style.top = `${Math.max(8, below ? field.bottom + 4 : field.top - 4 - height)}px`;
    current.current?.focus();
  }, [beside]);
  const moved = useRef(false); // by keys: the focus goes along, also to a month that was not drawn before
  // biome-ignore lint/correctness/useExhaustiveDependencies: once the day is drawn
  useEffect(() => {
    if (moved.current) current.current?.focus();
    moved.current = false;
  }, [at]);
  const said = (day: string, how: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(language, { ...how, timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`));
  const move = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    const year = event.shiftKey || months;
    let next: string | null = null;
    if (step !== undefined) next = months ? monthOn(at, Math.abs(step) === 7 ? (step / 7) * 3 : step) : dayOn(at, step);
    else if (event.key === "PageUp" || event.key === "PageDown")
      next = monthOn(at, (event.key === "PageUp" ? -1 : 1) * (year ? 12 : 1));
    else if (event.key === "Home") next = months ? monthOn(at, 1 - Number(at.slice(5, 7))) : dayOn(at, -weekday(at));
    else if (event.key === "End") next = months ? monthOn(at, 12 - Number(at.slice(5, 7))) : dayOn(at, 6 - weekday(at));
    if (next === null) return;
    event.preventDefault();
    moved.current = true;
    setAt(within(next));
  };
  const cell = (day: string, name: string, full: string) => {
    const here = months ? day.slice(0, 7) : day;
    return (
      <button
        key={day}
        ref={day === at ? current : undefined}
        type="button"
        className="date-cell"
        tabIndex={day === at ? 0 : -1}
        aria-label={full}
        aria-pressed={here === value}
        aria-current={here === today.slice(0, here.length) ? "date" : undefined}
        data-other={!months && day.slice(0, 7) !== at.slice(0, 7) ? true : undefined}
        disabled={within(day) !== day}
        onClick={() => choose(here)}
      >
        {name}
      </button>
    );
  };
  const by = months ? 12 : 1;
  const days = months ? [] : weeks(at);
  return (
    <div
      ref={box}
      popover="auto"
      className="date-calendar"
      role="dialog"
      aria-label={p("choose")}
      data-testid="calendar"
      onToggle={(event) => event.newState === "closed" && close()}
    >
      <div className="date-head">
        <button
          type="button"
          className="plain"
          aria-label={p(months ? "yearBefore" : "before")}
          onClick={() => setAt(within(monthOn(at, -by)))}
        >
          ‹
        </button>
        <strong aria-live="polite">
          {said(at, months ? { year: "numeric" } : { year: "numeric", month: "long" })}
        </strong>
        <button
          type="button"
          className="plain"
          aria-label={p(months ? "yearAfter" : "after")}
          onClick={() => setAt(within(monthOn(at, by)))}
        >
          ›
        </button>
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys of the buttons inside, which are what is pressed */}
      <div className={months ? "date-months" : "date-days"} onKeyDown={move}>
        {months
          ? Array.from({ length: 12 }, (_, n) => monthOn(at, n + 1 - Number(at.slice(5, 7)))).map((day) =>
              cell(day, said(day, { month: "short" }), said(day, { year: "numeric", month: "long" })),
            )
          : [
              ...(days[0] ?? []).map((day) => (
                <span key={`of ${day}`} className="quiet" aria-hidden="true">
                  {said(day, { weekday: language === "en" ? "short" : "narrow" })}
                </span>
              )),
              ...days.flat().map((day) => cell(day, String(Number(day.slice(8))), said(day, { dateStyle: "full" }))),
            ]}
      </div>
      {today !== "" && within(today) === today && (
        <button type="button" className="link" onClick={() => choose(months ? today.slice(0, 7) : today)}>
          {p("today")} <span className="numeric">{months ? today.slice(0, 7) : today}</span>
        </button>
      )}
    </div>
  );
}
