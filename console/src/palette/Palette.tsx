/** Ctrl K: anything one may see by a few letters, with the keyboard alone. What may be seen is decided by the city. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from "react";
import { useLocation } from "wouter";
import { get } from "../api/client";
import type { Language, Page, Text } from "../api/types";
import { fill, useWords } from "../i18n";
import { SeverityMark } from "../ui/Severity";
import { Sheet } from "../ui/Sheet";
import { Empty, Failure } from "../ui/states";
import "./palette.css";
import { type Item, recent, remember } from "./recent";
import { en } from "./words.en";
import { zh } from "./words.zh";

const DICTIONARIES: Record<Language, Record<keyof typeof zh, string>> = { "zh-CN": zh, en };
const WAIT_MS = 120;

export interface PalettePage {
  path: string;
  /** In both languages, so that it is found by either. */
  title: Text;
}

export default function Palette({
  person,
  pages,
  close,
}: {
  person: string;
  pages: readonly PalettePage[];
  close: () => void;
}) {
  const { say, language } = useWords();
  const p = (key: keyof typeof zh, values?: Record<string, string | number>) =>
    fill(DICTIONARIES[language][key], values);
  const [, go] = useLocation();
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const list = useId();
  const box = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  // After the sheet has opened, which puts the focus on its first button.
  useEffect(() => field.current?.focus(), []);
  const asked = useSettled(useDeferredValue(words.trim()));
  const found = useQuery({
    queryKey: ["find", asked],
    queryFn: () => get<Page<Item>>("/api/find", { q: asked, limit: 40 }),
    enabled: asked !== "",
    placeholderData: keepPreviousData,
    staleTime: 5_000,
  });
  const lately = useMemo(() => recent(person), [person]);
  const items = useMemo<Item[]>(() => {
    const word = words.trim().toLowerCase();
    const here = pages
      .filter(({ path, title }) => [path, ...Object.values(title)].some((one) => one.toLowerCase().includes(word)))
      .map(({ path, title }): Item => ({ kind: "page", id: path, title, detail: {}, path }));
    return word === "" ? [...lately, ...here] : [...here, ...(asked === "" ? [] : (found.data?.items ?? []))];
  }, [words, pages, lately, found.data, asked]);
  const chosen = Math.min(at, Math.max(0, items.length - 1));
  useEffect(() => {
    box.current?.children[chosen]?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const open = (item: Item) => {
    remember(person, item);
    close();
    go(item.path);
  };
  const press = (event: KeyboardEvent) => {
    // While Chinese is being composed, Enter and arrows belong to the input method.
    if (event.nativeEvent.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step !== undefined) setAt(Math.min(items.length - 1, Math.max(0, chosen + step)));
    else if (event.key === "Home") setAt(0);
    else if (event.key === "End") setAt(items.length - 1);
    else if (event.key === "Enter") {
      const item = items[chosen];
      if (item !== undefined && (asked === words.trim() || item.kind === "page" || words.trim() === "")) open(item);
    } else return;
    event.preventDefault();
  };
  const waiting = asked !== words.trim() || (asked !== "" && found.isFetching);

  return (
    <Sheet title={p("title")} close={close}>
      <div className="palette" data-testid="palette" data-waits={waiting}>
        <input
          ref={field}
          type="text"
          role="combobox"
          aria-label={p("title")}
          aria-expanded="true"
          aria-controls={list}
          aria-activedescendant={items.length > 0 ? `${list}-${chosen}` : undefined}
          aria-autocomplete="list"
          autoComplete="off"
          spellCheck={false}
          maxLength={100}
          placeholder={p("placeholder")}
          data-testid="palette-input"
          value={words}
          onChange={(event) => {
            setWords(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={press}
        />
        <span className="unseen" role="status">
          {waiting ? "" : p("found", { n: items.length })}
        </span>
        {asked !== "" && found.error !== null && !waiting && (
          <Failure error={found.error} retry={() => void found.refetch()} />
        )}
        {items.length === 0 && !waiting ? (
          found.error === null && <Empty title={p("none")}>{p("noneWhy")}</Empty>
        ) : (
          <div ref={box} id={list} className="palette-list" role="listbox" aria-label={p("title")}>
            {items.map((item, index) => (
              // biome-ignore lint/a11y/useKeyWithClickEvents: keys are heard by the field, as a combobox does
              <div
                key={`${item.kind}${item.path}${index < lately.length && words === "" ? "lately" : ""}`}
                id={`${list}-${index}`}
                role="option"
                tabIndex={-1}
                aria-selected={index === chosen}
                data-testid="palette-item"
                data-kind={item.kind}
                onClick={() => open(item)}
                onMouseMove={() => setAt(index)}
              >
                <span className="palette-kind">{p(`kind.${item.kind}`)}</span>
                {item.level ? <SeverityMark level={item.level} size={16} /> : null}
                <span className="palette-title">{say(item.title) || item.id}</span>
                <span className="quiet">{say(item.detail)}</span>
              </div>
            ))}
          </div>
        )}
        <div className="line quiet palette-keys">
          <span>
            <kbd>↑</kbd> <kbd>↓</kbd> {p("keys.move")}
          </span>
          <span>
            <kbd>↵</kbd> {p("keys.go")}
          </span>
          <span>
            <kbd>Esc</kbd> {p("keys.close")}
          </span>
        </div>
      </div>
    </Sheet>
  );
}

/** The value once it has not changed for a moment. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), WAIT_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
