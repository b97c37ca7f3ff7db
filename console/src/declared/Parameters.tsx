/** What a page asks of its reader. Every choice goes into the address, so that a link shows the same to everybody. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link as Anchor } from "wouter";
import { useSubjects } from "../subjects/queries";
import { DateField } from "../ui/DateField";
import { Failure } from "../ui/states";
import type { Given } from "./queries";
import type { PageView, Parameter } from "./types";
import { useDeclaredWords } from "./words";

/** What follows another value by itself, and keeps the focus while it is written. */
const TYPED: ReadonlySet<string> = new Set(["date", "month"]);

export function Parameters({ page, given, choose }: { page: PageView; given: Given; choose: (given: Given) => void }) {
  const { d } = useDeclaredWords();
  if (page.parameters.length === 0) return null;
  const set = (name: string, value: string) => {
    const { [name]: _, ...rest } = given;
    choose(value === "" ? rest : { ...rest, [name]: value });
  };
  return (
    <search className="declared-params panel no-print" aria-label={d("params.label")} data-testid="params">
      {page.parameters.map((one) => {
        const value = given[one.name] ?? (page.values[one.name] === null ? "" : String(page.values[one.name] ?? ""));
        return one.kind === "subject" ? (
          <SubjectChoice key={one.name} of={one} page={page} value={value} set={(id) => set(one.name, id)} />
        ) : (
          <Choice
            key={TYPED.has(one.kind) ? one.name : `${one.name} ${value}`}
            of={one}
            value={value}
            set={(to) => set(one.name, to)}
          />
        );
      })}
    </search>
  );
}

function Choice({ of: one, value, set }: { of: Parameter; value: string; set: (value: string) => void }) {
  const { d, say } = useDeclaredWords();
  const [typed, setTyped] = useState(value);
  const common = { size: "xs" as const, label: say(one.title), "data-testid": `param-${one.name}` };
  if (one.closed)
    return <span className="quiet">{`${say(one.title)}: ${d("params.closed", { dataset: one.closed })}`}</span>;
  if (one.kind === "select")
    return (
      <NativeSelect
        {...common}
        data={[
          ...(value === "" ? [{ value: "", label: d("params.choose") }] : []),
          ...one.options.map((option) => ({ value: String(option.value), label: say(option.title) })),
        ]}
        value={value}
        onChange={({ currentTarget }) => set(currentTarget.value)}
      />
    );
  if (one.kind === "date" || one.kind === "month")
    return <DateField {...common} kind={one.kind} value={value} change={set} />;
  const done = () => typed !== value && set(typed);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        done();
      }}
    >
      <TextInput
        {...common}
        inputMode={one.kind === "number" ? "decimal" : undefined}
        value={typed}
        onChange={({ currentTarget }) => setTyped(currentTarget.value)}
        onBlur={done}
      />
    </form>
  );
}

function SubjectChoice({
  of: one,
  page,
  value,
  set,
}: {
  of: Parameter;
  page: PageView;
  value: string;
  set: (id: string) => void;
}) {
  const { d, say } = useDeclaredWords();
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const [sought, setSought] = useState<string | null>(null);
  const name = page.chosen[one.name]?.name ?? page.chosen[one.name]?.id ?? "";
  if (value !== "" && !open)
    return (
      <div className="declared-subject">
        <span>{d("subject.chosen", { name })}</span>
        <Anchor href={`/subjects/${encodeURIComponent(value)}`}>{d("subject.open")}</Anchor>
        <Button size="xs" variant="default" onClick={() => setOpen(true)}>
          {d("subject.change")}
        </Button>
        {!one.required && (
          <Button size="xs" variant="default" onClick={() => set("")}>
            {d("subject.clear")}
          </Button>
        )}
      </div>
    );
  return (
    <div className="declared-subject">
      <form
        className="line"
        onSubmit={(event) => {
          event.preventDefault();
          setSought(typed.trim());
        }}
      >
        <TextInput
          size="xs"
          label={say(one.title)}
          placeholder={d("subject.search")}
          value={typed}
          data-testid="subject-choice"
          onChange={({ currentTarget }) => setTyped(currentTarget.value)}
        />
        <Button type="submit" size="xs" variant="default">
          {d("subject.find")}
        </Button>
      </form>
      {sought !== null && (
        <Found
          text={sought}
          kinds={one.kinds ?? []}
          choose={(id) => {
            setOpen(false);
            setSought(null);
            set(id);
          }}
        />
      )}
    </div>
  );
}

const MOST = 12;

function Found({ text, kinds, choose }: { text: string; kinds: string[]; choose: (id: string) => void }) {
  const { d, say } = useDeclaredWords();
  const found = useSubjects(text, kinds.length === 1 ? (kinds[0] ?? null) : null);
  if (found.error) return <Failure error={found.error} />;
  const items = (found.data?.pages.flatMap(({ items: some }) => some) ?? []).filter(({ kind }) => kinds.includes(kind));
  if (found.data && items.length === 0) return <span role="status">{d("subject.none")}</span>;
  return (
    <ul className="declared-found">
      {items.slice(0, MOST).map((one) => (
        <li key={one.id}>
          <button type="button" className="link" data-testid="subject-found" onClick={() => choose(one.id)}>
            {one.name ?? one.identifiers[0]?.value ?? one.id}
          </button>
          <span className="quiet">
            {say(one.kind_title)} {one.identifiers[0]?.value ?? ""}
          </span>
        </li>
      ))}
    </ul>
  );
}
