/** The three things one changes: a shift that comes again, one day of it, and who stands in for whom. */

import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useDepartments, useSession } from "../api/queries";
import { useCommand } from "../api/useCommand";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { cityTime, zoneOffset } from "../time/format";
import { DateField } from "../ui/DateField";
import { Sheet } from "../ui/Sheet";
import { Failure } from "../ui/states";
import { useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { type Shift, type Staff, useStaff, type Watch } from "./duty";

/** Chosen people in their order: rotations go by it. */
function PeopleField({
  unit,
  chosen,
  choose,
  ordered,
}: {
  unit: string;
  chosen: string[];
  choose: (usernames: string[]) => void;
  ordered: boolean;
}) {
  const { t, say } = useWords();
  const staff = useStaff(unit, true);
  if (staff.error) return <Failure error={staff.error} retry={() => void staff.refetch()} />;
  const label = (person: Staff) => `${say(person.name)} (${person.username})`;
  const all = staff.data ?? [];
  return (
    <fieldset style={{ border: "1px solid var(--line)", borderRadius: 4, padding: "8px 12px" }}>
      <legend>{t(ordered ? "duty.peopleInTurn" : "duty.people")}</legend>
      {staff.data?.length === 0 && <span className="quiet">{t("duty.noStaff")}</span>}
      {all.map((person) => {
        const place = chosen.indexOf(person.username);
        return (
          <label key={person.id} style={{ display: "flex", gap: 8, minHeight: 28 }}>
            <input
              type="checkbox"
              checked={place >= 0}
              data-testid={`duty-person-${person.username}`}
              onChange={() =>
                choose(place >= 0 ? chosen.filter((one) => one !== person.username) : [...chosen, person.username])
              }
            />
            <span>
              {ordered && place >= 0 && <span className="tag">{place + 1}</span>} {label(person)}
              {!person.reachable && <span className="quiet"> · {t("duty.noEmail")}</span>}
            </span>
          </label>
        );
      })}
    </fieldset>
  );
}

/** What is saved is told, and the sheet closes. */
function useSave(close: () => void) {
  const { t } = useWords();
  const tell = useTell();
  return useCommand({
    done: () => {
      tell.done(t("duty.saved"));
      close();
    },
  });
}

function ReasonField({ reason, say }: { reason: string; say: (reason: string) => void }) {
  const { t } = useWords();
  return (
    <Textarea
      label={t("act.reason")}
      required
      data-testid="duty-reason"
      value={reason}
      onChange={(event) => say(event.currentTarget.value)}
    />
  );
}

function Buttons({ busy, close, disabled }: { busy: boolean; close: () => void; disabled?: boolean }) {
  const { t } = useWords();
  return (
    <div className="line" style={{ justifyContent: "flex-end" }}>
      <Button variant="default" onClick={close}>
        {t("cancel")}
      </Button>
      <Button type="submit" loading={busy} disabled={disabled} data-testid="duty-save">
        {t("duty.save")}
      </Button>
    </div>
  );
}

export function ShiftSheet({ unit, shift, close }: { unit: string; shift: Shift | null; close: () => void }) {
  const { t } = useWords();
  const zone = useZone();
  const today = cityTime(useNow(), zone, "date");
  const staff = useStaff(unit, true);
  const before = shift?.people.map(({ id }) => staff.data?.find((one) => one.id === id)?.username ?? "");
  const [people, setPeople] = useState<string[] | null>(shift === null ? [] : null);
  const [zh, setZh] = useState(shift?.title["zh-CN"] ?? "");
  const [en, setEn] = useState(shift?.title.en ?? "");
  const [starts, setStarts] = useState(shift?.starts ?? "08:00");
  const [ends, setEnds] = useState(shift?.ends ?? "20:00");
  const [days, setDays] = useState<string>(shift?.days ?? "all");
  const [rotation, setRotation] = useState<string>(shift?.rotation ?? "daily");
  const [from, setFrom] = useState(shift?.valid_from ?? today);
  const command = useSave(close);
  const chosen = people ?? before?.filter(Boolean) ?? [];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    command.mutate({
      path: "/api/duty/shifts",
      body: {
        ...(shift === null ? {} : { id: shift.id }),
        unit,
        title: { "zh-CN": zh.trim(), en: en.trim() },
        starts,
        ends,
        days,
        rotation,
        people: chosen,
        valid_from: from,
      },
    });
  };
  return (
    <Sheet title={t(shift === null ? "duty.addShift" : "duty.changeShift")} close={close}>
      <form className="stack" onSubmit={submit}>
        <div className="line">
          <TextInput
            label={t("duty.titleZh")}
            required
            data-testid="duty-title-zh"
            value={zh}
            onChange={(event) => setZh(event.currentTarget.value)}
          />
          <TextInput
            label={t("duty.titleEn")}
            required
            data-testid="duty-title-en"
            value={en}
            onChange={(event) => setEn(event.currentTarget.value)}
          />
        </div>
        <div className="line">
          <DateField kind="time" label={t("duty.starts")} required value={starts} change={setStarts} />
          <DateField
            kind="time"
            label={t("duty.ends")}
            description={ends <= starts ? t("duty.nextDay") : undefined}
            required
            value={ends}
            change={setEnds}
          />
          <DateField label={t("duty.from")} required value={from} change={setFrom} />
        </div>
        <div className="line">
          <NativeSelect
            label={t("duty.onDays")}
            value={days}
            data={(["all", "working", "off"] as const).map((value) => ({ value, label: t(`duty.days.${value}`) }))}
            onChange={({ currentTarget: { value } }) => setDays(value)}
          />
          <NativeSelect
            label={t("duty.rotation")}
            value={rotation}
            data={(["everyone", "daily", "weekly"] as const).map((value) => ({
              value,
              label: t(`duty.rotation.${value}`),
            }))}
            onChange={({ currentTarget: { value } }) => setRotation(value)}
          />
        </div>
        <PeopleField unit={unit} chosen={chosen} choose={setPeople} ordered={rotation !== "everyone"} />
        {command.error !== null && <Failure error={command.error} />}
        {shift !== null && (
          <div>
            <button
              type="button"
              className="link"
              onClick={() => command.mutate({ path: `/api/duty/shifts/${shift.id}/end`, body: { day: today } })}
            >
              {t("duty.endShift")}
            </button>
          </div>
        )}
        <Buttons busy={command.isPending} close={close} disabled={chosen.length === 0} />
      </form>
    </Sheet>
  );
}

export function ExchangeSheet({ shift, watch, close }: { shift: Shift; watch: Watch; close: () => void }) {
  const { t, say } = useWords();
  const [people, setPeople] = useState<string[]>([]);
  const [reason, setReason] = useState("");
  const command = useSave(close);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    command.mutate({
      path: `/api/duty/shifts/${shift.id}/exchange`,
      body: { day: watch.day, people, reason: reason.trim() },
    });
  };
  return (
    <Sheet title={t("duty.exchangeOf", { shift: say(shift.title), day: watch.day })} close={close}>
      <form className="stack" onSubmit={submit}>
        <span className="quiet">
          {t("duty.planned", { names: watch.people.map(({ name }) => say(name)).join(t("listComma")) })}
        </span>
        <PeopleField unit={shift.unit} chosen={people} choose={setPeople} ordered={false} />
        <ReasonField reason={reason} say={setReason} />
        {command.error !== null && <Failure error={command.error} />}
        <Buttons busy={command.isPending} close={close} disabled={people.length === 0} />
      </form>
    </Sheet>
  );
}

/** One names the own deputy; who manages a roster names one for others. */
export function DeputySheet({ unit: given, close }: { unit: string | null; close: () => void }) {
  const { t, say } = useWords();
  const session = useSession().data;
  const zone = useZone();
  const now = useNow();
  const departments = useDepartments();
  const [chosen, setUnit] = useState<string | null>(null);
  const unit = chosen ?? given; // which may still be loading when the sheet opens
  const staff = useStaff(unit, true);
  const [person, setPerson] = useState<string | null>(null);
  const [deputy, setDeputy] = useState("");
  const [from, setFrom] = useState(() => cityTime(now, zone).replace(" ", "T"));
  const [to, setTo] = useState(() => cityTime(now + 7 * 86_400_000, zone).replace(" ", "T"));
  const [reason, setReason] = useState("");
  const command = useSave(close);
  const people = staff.data ?? [];
  const absent = person ?? people.find(({ id }) => id === session?.actor.id)?.username ?? "";
  const names = people.map(({ username, name }) => ({ value: username, label: `${say(name)} (${username})` }));
  const utc = (wall: string) => {
    const ms = Date.parse(`${wall}:00Z`);
    return new Date(ms - zoneOffset(ms, zone)).toISOString();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    command.mutate({
      path: "/api/duty/deputies",
      body: { person: absent, deputy, from: utc(from), to: utc(to), reason: reason.trim() },
    });
  };
  return (
    <Sheet title={t("duty.nameDeputy")} close={close}>
      <form className="stack" onSubmit={submit}>
        <span className="quiet">{t("duty.deputyWhy")}</span>
        <NativeSelect
          label={t("duty.department")}
          data-testid="duty-deputy-unit"
          value={unit ?? ""}
          data={(departments.data ?? []).map(({ code, title }) => ({ value: code, label: say(title) }))}
          onChange={({ currentTarget: { value } }) => {
            setUnit(value);
            setPerson(null);
            setDeputy("");
          }}
        />
        {staff.error ? (
          <Failure error={staff.error} />
        ) : (
          <>
            <NativeSelect
              label={t("duty.absent")}
              required
              data-testid="duty-absent"
              value={absent}
              data={[{ value: "", label: "—" }, ...names]}
              onChange={({ currentTarget: { value } }) => setPerson(value)}
            />
            <NativeSelect
              label={t("duty.deputy")}
              required
              data-testid="duty-stand-in"
              value={deputy}
              data={[{ value: "", label: "—" }, ...names.filter(({ value }) => value !== absent)]}
              onChange={({ currentTarget: { value } }) => setDeputy(value)}
            />
          </>
        )}
        <div className="line">
          <DateField kind="datetime-local" label={t("duty.from")} required value={from} change={setFrom} />
          <DateField kind="datetime-local" label={t("duty.to")} required value={to} change={setTo} />
        </div>
        <ReasonField reason={reason} say={setReason} />
        {command.error !== null && <Failure error={command.error} />}
        <Buttons busy={command.isPending} close={close} disabled={!absent || !deputy} />
      </form>
    </Sheet>
  );
}
