/** A new version of a formula: its terms and its source, beside what it would make of a past period. */

import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useMemo, useState } from "react";
import { useCommand } from "../api/useCommand";
import { cityTime } from "../time/format";
import { DateField } from "../ui/DateField";
import { Empty, Failure, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { type Draft, type DraftTerm, draftOf, formulaOf, missing } from "./draft";
import { placed, scoreOf } from "./formula";
import { PeriodBar } from "./PeriodBar";
import { Signed, usePeriod, Wide } from "./parts";
import { moved } from "./period";
import { useReport } from "./queries";
import { type Formula, LESS_IS_BETTER, RATES, type Report, SUPPLY_RATES, type Term } from "./types";
import { useAccountWords } from "./words";

export function NewFormula({
  like,
  taken,
  today,
  close,
}: {
  like: Formula;
  taken: readonly Formula[];
  today: string;
  close: () => void;
}) {
  const { a, t, number } = useAccountWords();
  const tell = useTell();
  const [draft, setDraft] = useState<Draft>(() => draftOf(like, taken, moved(today, 1)));
  const set = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const lacks = missing(draft, today);
  const command = useCommand<{ id: string; version: string }>({
    done: () => {
      tell.done(a("formula.done", { id: draft.id, version: draft.version, date: draft.validFrom }));
      close();
    },
  });
  const formula = useMemo(() => formulaOf(draft), [draft]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    command.mutate({ path: "/api/formulas", body: { formula } });
  };
  const sum = formula.terms.reduce((total, term) => total + term.weight, 0);
  return (
    <Panel title={a("formula.newTitle")}>
      <div className="body sides">
        <form className="stack" onSubmit={submit} data-testid="formula-form">
          <span className="quiet">{a("formula.newWhy")}</span>
          <div className="line top">
            <TextInput
              label={a("formula.id")}
              description={a("formula.idHint")}
              required
              maxLength={40}
              data-testid="formula-id"
              value={draft.id}
              onChange={({ currentTarget: { value } }) => set({ id: value })}
            />
            <TextInput
              label={a("formula.version")}
              required
              maxLength={40}
              data-testid="formula-version"
              value={draft.version}
              onChange={({ currentTarget: { value } }) => set({ version: value })}
            />
            <DateField
              label={a("formula.validFrom")}
              required
              min={moved(today, 1)}
              data-testid="formula-from"
              value={draft.validFrom}
              change={(value) => set({ validFrom: value })}
            />
            <TextInput
              type="number"
              label={a("formula.appealDays")}
              required
              min={1}
              value={draft.days}
              onChange={({ currentTarget: { value } }) => set({ days: value })}
            />
          </div>
          <div className="grid2">
            <TextInput
              label={a("formula.titleZh")}
              required
              data-testid="formula-title-zh"
              value={draft.titleZh}
              onChange={({ currentTarget: { value } }) => set({ titleZh: value })}
            />
            <TextInput
              label={a("formula.titleEn")}
              required
              data-testid="formula-title-en"
              value={draft.titleEn}
              onChange={({ currentTarget: { value } }) => set({ titleEn: value })}
            />
            <Textarea
              label={a("formula.sourceZh")}
              required
              autosize
              minRows={2}
              maxRows={6}
              data-testid="formula-source-zh"
              value={draft.sourceZh}
              onChange={({ currentTarget: { value } }) => set({ sourceZh: value })}
            />
            <Textarea
              label={a("formula.sourceEn")}
              required
              autosize
              minRows={2}
              maxRows={6}
              data-testid="formula-source-en"
              value={draft.sourceEn}
              onChange={({ currentTarget: { value } }) => set({ sourceEn: value })}
            />
          </div>
          <Terms of={draft.of} terms={draft.terms} set={(terms) => set({ terms })} />
          <strong className="numeric" data-testid="formula-sum">
            {a("formula.sum", { sum: number(sum) })}
          </strong>
          {lacks.length > 0 && (
            <span className="quiet" data-testid="formula-missing">
              {a("formula.missing", { what: lacks.map((one) => a(`formula.missing.${one}`)).join(t("listComma")) })}
            </span>
          )}
          {command.error !== null && <Failure error={command.error} />}
          <div className="line sheet-actions">
            <Button variant="default" onClick={close}>
              {t("cancel")}
            </Button>
            <Button type="submit" loading={command.isPending} disabled={lacks.length > 0} data-testid="formula-publish">
              {a("formula.publish")}
            </Button>
          </div>
        </form>
        <Preview of={draft.of} terms={formula.terms} today={today} />
      </div>
    </Panel>
  );
}

function Terms({
  of,
  terms,
  set,
}: {
  of: Formula["of"];
  terms: readonly DraftTerm[];
  set: (terms: DraftTerm[]) => void;
}) {
  const { a, rate } = useAccountWords();
  const names: readonly string[] = of === "supply" ? SUPPLY_RATES : RATES;
  const data = names.map((value) => ({ value, label: rate(value) }));
  const change = (index: number, part: Partial<DraftTerm>) =>
    set(terms.map((one, at) => (at === index ? { ...one, ...part } : one)));
  return (
    <div className="stack" data-testid="formula-terms">
      {terms.map((term, index) => {
        const n = index + 1;
        return (
          <div key={term.key} className="term">
            <div className="line">
              <NativeSelect
                size="xs"
                aria-label={a("formula.rateOf", { n })}
                data-testid={`term-rate-${n}`}
                value={term.rate}
                data={data}
                onChange={({ currentTarget: { value } }) => change(index, { rate: value })}
              />
              <TextInput
                size="xs"
                type="number"
                min={0}
                step="any"
                w={90}
                aria-label={a("formula.weightOf", { n })}
                data-testid={`term-weight-${n}`}
                value={term.weight}
                onChange={({ currentTarget: { value } }) => change(index, { weight: value })}
              />
              <NativeSelect
                size="xs"
                aria-label={a("formula.howOf", { n })}
                value={term.deductions === null ? "share" : "deductions"}
                data={[
                  { value: "share", label: a(LESS_IS_BETTER.has(term.rate) ? "formula.minus" : "formula.plus") },
                  { value: "deductions", label: a("formula.byDeductions") },
                ]}
                onChange={({ currentTarget: { value } }) =>
                  change(index, {
                    deductions: value === "share" ? null : [{ key: 0, rate: term.rate, points: "1", bound: "" }],
                  })
                }
              />
              <button
                type="button"
                className="link"
                aria-label={a("formula.dropTerm", { n })}
                onClick={() => set(terms.filter((_, at) => at !== index))}
              >
                ✕
              </button>
            </div>
            {term.deductions?.map((one, place) => {
              const put = (part: Partial<typeof one>) =>
                change(index, {
                  deductions: (term.deductions ?? []).map((each, at) => (at === place ? { ...each, ...part } : each)),
                });
              return (
                <div key={one.key} className="line deduction">
                  <NativeSelect
                    size="xs"
                    aria-label={a("formula.deductionRate")}
                    value={one.rate}
                    data={data}
                    onChange={({ currentTarget: { value } }) => put({ rate: value })}
                  />
                  <TextInput
                    size="xs"
                    type="number"
                    min={0}
                    step="any"
                    w={130}
                    label={a("formula.deductionPoints")}
                    value={one.points}
                    onChange={({ currentTarget: { value } }) => put({ points: value })}
                  />
                  <TextInput
                    size="xs"
                    type="number"
                    min={0}
                    max={100}
                    step="any"
                    w={190}
                    label={a("formula.deductionBound")}
                    value={one.bound}
                    onChange={({ currentTarget: { value } }) => put({ bound: value })}
                  />
                  <button
                    type="button"
                    className="link"
                    aria-label={a("formula.dropDeduction")}
                    onClick={() => {
                      const left = (term.deductions ?? []).filter((_, at) => at !== place);
                      change(index, { deductions: left.length > 0 ? left : null });
                    }}
                  >
                    ✕
                  </button>
                </div>
              );
            })}
            {term.deductions && (
              <div>
                <button
                  type="button"
                  className="link"
                  onClick={() =>
                    change(index, {
                      deductions: [
                        ...(term.deductions ?? []),
                        {
                          key: Math.max(0, ...(term.deductions ?? []).map(({ key }) => key)) + 1,
                          rate: term.rate,
                          points: "1",
                          bound: "",
                        },
                      ],
                    })
                  }
                >
                  {a("formula.addDeduction")}
                </button>
              </div>
            )}
          </div>
        );
      })}
      <div>
        <Button
          size="xs"
          variant="default"
          data-testid="term-add"
          onClick={() =>
            set([
              ...terms,
              {
                key: Math.max(0, ...terms.map(({ key }) => key)) + 1,
                rate: names.find((name) => !terms.some((term) => term.rate === name)) ?? names[0] ?? "",
                weight: "10",
                deductions: null,
              },
            ])
          }
        >
          {a("formula.addTerm")}
        </Button>
      </div>
    </div>
  );
}

function Preview({ of, terms, today }: { of: Formula["of"]; terms: readonly Term[]; today: string }) {
  const { a, say } = useAccountWords();
  const zone = useZone();
  const { from, to } = usePeriod(today);
  const report = useReport(from, to);
  return (
    <div className="stack" data-testid="preview">
      <h3>{a("preview.title")}</h3>
      <PeriodBar today={today} />
      <Shown of={report} lines={8}>
        {(told) => (
          <>
            <span className="quiet">
              {a("preview.note", {
                from: cityTime(told.from, zone),
                to: cityTime(told.to, zone),
                formula: say((of === "supply" ? told.supply.formula : told.formula).title),
              })}
            </span>
            <Compared
              rows={compared(told, of, terms)}
              ranked={of === "handling"}
              outOf={[
                (of === "supply" ? told.supply.formula : told.formula).out_of,
                terms.reduce((sum, term) => sum + term.weight, 0),
              ]}
            />
          </>
        )}
      </Shown>
    </div>
  );
}

interface ComparedRow {
  department: string;
  title: Report["departments"][number]["title"];
  now: number | null;
  tried: number | null;
  rankNow: number | null;
  rankTried: number | null;
}

function compared(report: Report, of: Formula["of"], terms: readonly Term[]): ComparedRow[] {
  if (of === "supply")
    return report.supply.departments.map(({ department, title, score, rates }) => ({
      department,
      title,
      now: score,
      tried: scoreOf(terms, rates),
      rankNow: null,
      rankTried: null,
    }));
  return placed(report.departments, terms).map(({ row, score, rank }) => ({
    department: row.department,
    title: row.title,
    now: row.score,
    tried: score,
    rankNow: row.rank,
    rankTried: rank,
  }));
}

/** Two formulas may have different full marks, so a change is one of points out of 100. */
function Compared({
  rows,
  ranked,
  outOf: [full, triedFull],
}: {
  rows: ComparedRow[];
  ranked: boolean;
  outOf: [number, number];
}) {
  const { a, say, number } = useAccountWords();
  if (rows.length === 0) return <Empty title={a("preview.none")} />;
  const change = ({ now, tried }: ComparedRow) =>
    now === null || tried === null || triedFull === 0 ? null : 100 * (tried / triedFull - now / full);
  const changed = rows.filter((one) => Math.abs(change(one) ?? 0) >= 0.05).length;
  const places = rows.filter(({ rankNow, rankTried }) => rankNow !== rankTried).length;
  return (
    <Wide label={a("preview.scroll")}>
      <Table data-testid="preview-table" data-changed={changed}>
        <caption>{a("preview.caption", { changed, moved: places })}</caption>
        <thead>
          <tr>
            <th>{a("department")}</th>
            <th className="right">{a("preview.now", { full: number(full) })}</th>
            <th className="right">{a("preview.then", { full: number(triedFull) })}</th>
            <th className="right">{a("preview.diff")}</th>
            {ranked && <th className="right">{a("preview.rankNow")}</th>}
            {ranked && <th className="right">{a("preview.rankThen")}</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((one) => (
            <tr key={one.department} data-department={one.department}>
              <td>{say(one.title)}</td>
              <td className="right">{number(one.now, 1)}</td>
              <td className="right">
                <strong>{number(one.tried, 1)}</strong>
              </td>
              <td className="right">
                <Signed by={change(one)} />
              </td>
              {ranked && <td className="right">{one.rankNow ?? "—"}</td>}
              {ranked && <td className="right">{one.rankTried ?? "—"}</td>}
            </tr>
          ))}
        </tbody>
      </Table>
    </Wide>
  );
}
