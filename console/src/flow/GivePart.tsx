/** Giving a dataset to somebody who did not ask: to whom, which columns and rows, what for, how long; and what is then seen. */

import { Button, Checkbox, NativeSelect, NumberInput, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { commandShelf, useKept } from "../api/kept";
import { useDepartments } from "../api/queries";
import { useCommand } from "../api/useCommand";
import type { Key } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { CellView } from "../ui/Cell";
import { Sheet } from "../ui/Sheet";
import { Failure, Loading } from "../ui/states";
import { Table } from "../ui/Table";
import { useTell } from "../ui/Toast";
import { ColumnsField } from "./ColumnsField";
import { type Grant, type Use, useRows } from "./grants";
import type { CatalogueDataset } from "./types";
import { useFlowWords } from "./words";

const DAY_MS = 86_400_000;
const SHOWN = 5;
const USES: readonly Use[] = ["read", "alert", "live"];
const ROLES = "duty_officer coordinator clerk analyst inspector mayor operator department_admin".split(" ");

interface Given {
  to: "party" | "person" | "handlers";
  username: string;
  department: string;
  role: string;
  columns: string[];
  rows: string;
  uses: Use[];
  days: number | string;
  purpose: string;
}

const NOTHING: Given = {
  to: "party",
  username: "",
  department: "",
  role: "",
  columns: [],
  rows: "",
  uses: ["read"],
  days: 365,
  purpose: "",
};

export function Give({ dataset, close }: { dataset: CatalogueDataset; close: () => void }) {
  const { f, t, say, code } = useFlowWords();
  const tell = useTell();
  const now = useNow();
  const departments = useDepartments();
  const kept = useKept<Given>(`give.${dataset.name}`, NOTHING);
  const given = kept.value;
  const set = (values: Partial<Given>) => kept.set((before) => ({ ...before, ...values }));
  const send = useCommand<Grant>({
    shelf: commandShelf(`give.${dataset.name}`),
    done: () => {
      kept.forget();
      tell.done(f("give.done"));
      close();
    },
    failed: tell.failed,
  });
  const handlers = given.to === "handlers";
  const uses = handlers ? (["alert"] as const) : given.uses;
  const person = given.to === "person";
  const username = (given.username ?? "").trim(); // what was begun with an older console has none
  const whom = handlers || (person ? username !== "" : given.department !== "" || given.role !== "");
  const endless = person && !(Number(given.days) > 0);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const until = Number(given.days) > 0 ? new Date(now + Number(given.days) * DAY_MS).toISOString() : null;
    send.mutate({
      path: "/api/grants",
      body: {
        dataset: dataset.name,
        department: given.to === "party" ? given.department || null : null,
        role: given.to === "party" ? given.role || null : null,
        username: person ? username : null,
        handlers,
        columns: given.columns,
        rows: given.rows || null,
        uses,
        until,
        purpose: given.purpose,
      },
    });
  };
  return (
    <Sheet title={f("give.title", { dataset: say(dataset.title) })} close={close}>
      <form className="body stack" onSubmit={submit} data-testid="give-form">
        <fieldset className="flow-fields" aria-label={f("grants.to")}>
          <div className="line">
            <NativeSelect
              size="xs"
              label={f("give.to")}
              data={[
                { value: "party", label: f("give.party") },
                { value: "person", label: f("give.person") },
                { value: "handlers", label: f("grants.handlers") },
              ]}
              value={given.to}
              data-testid="give-to"
              onChange={({ currentTarget: { value } }) => set({ to: value as Given["to"] })}
            />
            {person && (
              <TextInput
                size="xs"
                label={f("give.username")}
                required
                maxLength={60}
                autoComplete="off"
                data-testid="give-username"
                value={given.username ?? ""}
                onChange={({ currentTarget: { value } }) => set({ username: value })}
              />
            )}
            {given.to === "party" && (
              <>
                <NativeSelect
                  size="xs"
                  label={f("table.department")}
                  data-testid="give-department"
                  data={[
                    { value: "", label: f("give.anyDepartment") },
                    ...(departments.data ?? []).map((one) => ({ value: one.code, label: say(one.title) })),
                  ]}
                  value={given.department}
                  onChange={({ currentTarget: { value } }) => set({ department: value })}
                />
                <NativeSelect
                  size="xs"
                  label={f("give.role")}
                  data-testid="give-role"
                  data={[
                    { value: "", label: f("give.anyRole") },
                    ...ROLES.map((one) => ({ value: one, label: t(`role.${one}` as Key) })),
                  ]}
                  value={given.role}
                  onChange={({ currentTarget: { value } }) => set({ role: value })}
                />
              </>
            )}
          </div>
          <div className="quiet">{f(`give.${given.to}Why`)}</div>
        </fieldset>
        <ColumnsField dataset={dataset} columns={given.columns} choose={(columns) => set({ columns })} />
        <TextInput
          label={f("ask.rows")}
          description={f("ask.rowsWhy")}
          data-testid="give-rows"
          value={given.rows}
          onChange={({ currentTarget: { value } }) => set({ rows: value })}
        />
        {dataset.sight.open && <Seen dataset={dataset} columns={given.columns} rows={given.rows} />}
        {!handlers && (
          <Checkbox.Group
            label={f("give.uses")}
            value={given.uses}
            onChange={(chosen) => set({ uses: USES.filter((one) => chosen.includes(one)) })}
          >
            <div className="line">
              {USES.map((one) => (
                <Checkbox
                  key={one}
                  size="xs"
                  value={one}
                  label={
                    <>
                      {code("use", one)} <span className="quiet">{f(`give.use.${one}`)}</span>
                    </>
                  }
                />
              ))}
            </div>
          </Checkbox.Group>
        )}
        <NumberInput
          label={f("ask.days")}
          description={f(person ? "give.personDays" : "give.daysWhy")}
          required={person}
          min={1}
          max={1_095}
          value={given.days}
          onChange={(days) => set({ days })}
          w={260}
        />
        <Textarea
          label={f("ask.purpose")}
          description={f("give.purposeWhy")}
          required
          autosize
          minRows={2}
          data-testid="give-purpose"
          value={given.purpose}
          onChange={({ currentTarget: { value } }) => set({ purpose: value })}
        />
        <span className="line">
          <Button
            type="submit"
            size="xs"
            loading={send.isPending}
            data-testid="give-send"
            disabled={!whom || endless || !given.purpose.trim() || uses.length === 0}
          >
            {f("give.send")}
          </Button>
          <Button size="xs" variant="default" onClick={close}>
            {f("ask.cancel")}
          </Button>
          {!whom && <span className="quiet">{f("give.nobody")}</span>}
        </span>
      </form>
    </Sheet>
  );
}

/** The first rows as they would be seen: the chosen columns of the rows that meet the condition. */
function Seen({ dataset, columns, rows }: { dataset: CatalogueDataset; columns: readonly string[]; rows: string }) {
  const { f, say, number } = useFlowWords();
  const [where, setWhere] = useState<string | null>(null);
  const asked = where !== null && where === rows;
  const found = useRows(dataset.name, where ?? "", 0, asked);
  const given =
    columns.length > 0 ? columns : dataset.fields.filter((field) => !field.secrecy).map((field) => field.name);
  const shown = found.data?.columns.filter((one) => given.includes(one.name)) ?? [];
  if (!asked)
    return (
      <span>
        <Button size="xs" variant="default" data-testid="give-seen" onClick={() => setWhere(rows)}>
          {f("give.seen")}
        </Button>
      </span>
    );
  if (found.error) return <Failure error={found.error} />;
  if (found.data === undefined) return <Loading lines={3} />;
  return (
    <div>
      <div className="quiet">
        {f("give.seenRows", { n: number(found.data.total, 0), columns: number(shown.length, 0) })}
      </div>
      <section className="flush" tabIndex={0} aria-label={f("give.seen")}>
        <Table style={{ whiteSpace: "nowrap" }} data-testid="give-table">
          <thead>
            <tr>
              {shown.map((one) => (
                <th key={one.name}>{say(one.title) || one.name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {found.data.items.slice(0, SHOWN).map((row, at) => (
              <tr key={at}>
                {shown.map((one) => (
                  <td key={one.name}>
                    {one.withheld ? (
                      <span className="quiet">{f("give.notYours")}</span>
                    ) : (
                      <CellView cell={row[one.name] ?? null} labels={one.labels} />
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </Table>
      </section>
    </div>
  );
}
