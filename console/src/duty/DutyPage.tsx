/** Who is on duty now, who stands in for whom, and two weeks of one department's roster with its gaps. */

import { Button, NativeSelect } from "@mantine/core";
import { Fragment, useState } from "react";
import { useDepartments, useMay, useSession } from "../api/queries";
import type { Text } from "../api/types";
import { useCommand } from "../api/useCommand";
import { DutyTabs } from "../handover/Tabs";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { cityTime, dayStart } from "../time/format";
import { Empty, Failure, Loading, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment, useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { DeputySheet, ExchangeSheet, ShiftSheet } from "./DutySheets";
import { type Deputy, type OnDuty, type Roster, type Shift, useDuty, useRoster, type Watch } from "./duty";

const DAYS = 14;
const DAY_MS = 86_400_000;

type Open = { kind: "shift"; shift: Shift | null } | { kind: "deputy" } | { kind: "day"; watch: Watch; shift: Shift };

export default function DutyPage() {
  const { t, say } = useWords();
  const duty = useDuty();
  const session = useSession().data;
  const departments = useDepartments();
  const may = useMay("duty.manage");
  const [chosen, setChosen] = useState<string | null>(null);
  const [open, setOpen] = useState<Open | null>(null);
  // Whoever belongs to no department works in the command centre.
  const unit = session ? (chosen ?? session.actor.department ?? CENTRE) : null;
  return (
    <div className="page">
      <DutyTabs at="duty" />
      <div className="head">
        <h1 style={{ fontSize: 20, margin: 0 }}>{t("nav.duty")}</h1>
        <span className="spacer" />
        <Button variant="default" data-testid="duty-deputy" onClick={() => setOpen({ kind: "deputy" })}>
          {t("duty.nameDeputy")}
        </Button>
      </div>
      <Panel title={t("duty.now")}>
        <Shown of={duty} lines={4}>
          {({ items, deputies }) => (
            <>
              {items.length === 0 ? (
                <Empty title={t("duty.none")}>{t("duty.noneWhy")}</Empty>
              ) : (
                <div className="flush">
                  <Table data-testid="duty-now">
                    <thead>
                      <tr>
                        <th>{t("duty.department")}</th>
                        <th>{t("duty.person")}</th>
                        <th>{t("duty.shift")}</th>
                        <th>{t("duty.until")}</th>
                      </tr>
                    </thead>
                    <tbody>
                      {items.map((row) => (
                        <tr key={row.unit} data-link onClick={() => setChosen(row.unit)}>
                          <td>
                            <button type="button" className="link" onClick={() => setChosen(row.unit)}>
                              {say(row.title)}
                            </button>
                          </td>
                          <People of={row.on_duty} unit={row.unit} />
                        </tr>
                      ))}
                    </tbody>
                  </Table>
                </div>
              )}
              {deputies.length > 0 && <Deputies deputies={deputies} />}
            </>
          )}
        </Shown>
      </Panel>
      <Panel title={t("duty.roster")}>
        <div className="body">
          <NativeSelect
            aria-label={t("duty.department")}
            data-testid="duty-unit"
            value={unit ?? ""}
            data={withCentre(departments.data ?? [], t("duty.centre")).map(({ code, title }) => ({
              value: code,
              label: say(title),
            }))}
            onChange={({ currentTarget: { value } }) => setChosen(value)}
          />
        </div>
        {unit !== null && <RosterOf unit={unit} may={may} open={setOpen} />}
      </Panel>
      {open?.kind === "shift" && unit !== null && (
        <ShiftSheet unit={unit} shift={open.shift} close={() => setOpen(null)} />
      )}
      {open?.kind === "deputy" && <DeputySheet unit={unit} close={() => setOpen(null)} />}
      {open?.kind === "day" && <ExchangeSheet shift={open.shift} watch={open.watch} close={() => setOpen(null)} />}
    </div>
  );
}

/** The command centre keeps a roster like a department. */
const withCentre = (departments: readonly { code: string; title: Text }[], title: string) =>
  departments.some(({ code }) => code === CENTRE)
    ? departments
    : [{ code: CENTRE, title: { "zh-CN": title, en: title } }, ...departments];
const CENTRE = "command-centre";

function People({ of, unit }: { of: OnDuty[]; unit: string }) {
  const { t, say } = useWords();
  if (of.length === 0)
    return (
      <td colSpan={3}>
        <strong style={{ color: "var(--late)" }}>{t("duty.nobody")}</strong>
      </td>
    );
  return (
    <>
      <td>
        {of.map((row) => (
          <div key={`${row.shift}-${row.person.id}`}>
            {say(row.person.name)}
            {row.instead_of && (
              <span className="quiet"> {t("duty.insteadOf", { name: say(row.instead_of.name) })}</span>
            )}
            {row.unit !== unit && <span className="tag">{t("duty.above", { unit: say(row.unit_title) })}</span>}
          </div>
        ))}
      </td>
      <td>{[...new Set(of.map(({ title }) => say(title)))].join(t("listComma"))}</td>
      <td>
        <Moment at={of[0]?.to ?? null} shape="short" />
      </td>
    </>
  );
}

function Deputies({ deputies }: { deputies: Deputy[] }) {
  const { t, say } = useWords();
  const session = useSession().data;
  const may = useMay("duty.manage");
  const tell = useTell();
  const end = useCommand({ done: () => tell.done(t("act.done")), failed: (error) => tell.failed(error) });
  return (
    <div className="body">
      <h3 style={{ fontSize: 14, margin: "0 0 4px" }}>{t("duty.deputies")}</h3>
      <ul style={{ margin: 0, paddingLeft: 18 }} data-testid="duty-deputies">
        {deputies.map((row) => (
          <li key={row.id}>
            {t("duty.standsIn", { deputy: say(row.deputy.name), person: say(row.person.name) })}{" "}
            <Moment at={row.from} shape="short" /> – <Moment at={row.to} shape="short" />
            <span className="quiet"> {row.reason}</span>{" "}
            {(may || session?.actor.id === row.person.id || session?.actor.id === row.deputy.id) && (
              <button
                type="button"
                className="link"
                onClick={() => end.mutate({ path: `/api/duty/deputies/${row.id}/end` })}
              >
                {t("duty.back")}
              </button>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

function RosterOf({ unit, may, open }: { unit: string; may: boolean; open: (what: Open) => void }) {
  const { t } = useWords();
  const zone = useZone();
  const now = useNow();
  const first = cityTime(now, zone, "date");
  const days = Array.from({ length: DAYS }, (_, n) =>
    new Date(Date.parse(`${first}T00:00:00Z`) + n * DAY_MS).toISOString().slice(0, 10),
  );
  const after = new Date(Date.parse(`${first}T00:00:00Z`) + DAYS * DAY_MS).toISOString().slice(0, 10);
  const roster = useRoster(unit, dayStart(first, zone), dayStart(after, zone));
  if (roster.error) return <Failure error={roster.error} retry={() => void roster.refetch()} />;
  if (roster.data === undefined) return <Loading lines={6} />;
  const { shifts, gaps, may_change } = roster.data;
  return (
    <>
      {shifts.length === 0 ? (
        <Empty title={t("duty.empty")}>{t("duty.emptyWhy")}</Empty>
      ) : (
        <Grid roster={roster.data} days={days} open={open} />
      )}
      {gaps.length > 0 && (
        <div role="status" data-testid="duty-gaps" className="body">
          <strong style={{ color: "var(--late)" }}>{t("duty.gaps", { n: gaps.length })}</strong>{" "}
          {gaps.slice(0, 6).map((gap, n) => (
            <Fragment key={gap.from}>
              {n > 0 && t("listComma")}
              <Moment at={gap.from} shape="short" />–<Moment at={gap.to} shape="short" />
            </Fragment>
          ))}
          {gaps.length > 6 && " …"}
          <div className="quiet">{t("duty.gapsWhy")}</div>
        </div>
      )}
      {may && may_change && (
        <div className="body">
          <Button variant="default" data-testid="duty-add" onClick={() => open({ kind: "shift", shift: null })}>
            {t("duty.addShift")}
          </Button>
        </div>
      )}
    </>
  );
}

function Grid({ roster, days, open }: { roster: Roster; days: string[]; open: (what: Open) => void }) {
  const { t, say, language } = useWords();
  const weekday = new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" });
  const held = new Map(roster.watches.map((watch) => [`${watch.shift}|${watch.day}`, watch]));
  return (
    <div className="flush" style={{ overflowX: "auto" }}>
      <table className="table" data-testid="duty-grid">
        <thead>
          <tr>
            <th scope="col">{t("duty.shift")}</th>
            {days.map((day) => (
              <th key={day} scope="col" style={{ minWidth: 84, textAlign: "center", whiteSpace: "nowrap" }}>
                {day.slice(5)}
                <div className="quiet" style={{ fontWeight: 400 }}>
                  {weekday.format(Date.parse(`${day}T00:00:00Z`))}
                </div>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {roster.shifts.map((shift) => (
            <tr key={shift.id}>
              <th scope="row" style={{ fontWeight: 400, textAlign: "left", whiteSpace: "nowrap" }}>
                {roster.may_change ? (
                  <button type="button" className="link" onClick={() => open({ kind: "shift", shift })}>
                    {say(shift.title)}
                  </button>
                ) : (
                  say(shift.title)
                )}
                <div className="quiet numeric">
                  {shift.starts}–{shift.ends}
                  {shift.ends <= shift.starts && ` ${t("duty.nextDay")}`}
                </div>
                <div className="quiet">{t(`duty.days.${shift.days}`)}</div>
              </th>
              {days.map((day) => {
                const watch = held.get(`${shift.id}|${day}`);
                const names = watch?.people.map(({ name }) => say(name)).join(t("listComma"));
                return (
                  <td key={day} style={{ textAlign: "center" }}>
                    {watch === undefined ? (
                      <span className="quiet">·</span>
                    ) : roster.may_change ? (
                      <button
                        type="button"
                        className="link"
                        title={t("duty.exchange")}
                        onClick={() => open({ kind: "day", watch, shift })}
                      >
                        {names}
                        {watch.exchanged && " ⇄"}
                      </button>
                    ) : (
                      <>
                        {names}
                        {watch.exchanged && " ⇄"}
                      </>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
