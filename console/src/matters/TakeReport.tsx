/** The operator's form for a call: what was said first, everything else may be left out. */

import { Button, NativeSelect, Textarea, TextInput } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "wouter";
import { commandShelf, useKept } from "../api/kept";
import { useMay } from "../api/queries";
import { useCommand } from "../api/useCommand";
import { Empty, Failure, Panel, Shown } from "../ui/states";
import "./matters.css";
import { useMatter, useMatters, useServices } from "./queries";
import type { Point, Service } from "./types";
import { type Spot, Where } from "./Where";
import { isKey, type MatterWords, useMatterWords } from "./words";

const BLANK = { text: "", category: "", address: "", lon: "", lat: "" };
/** Who calls is kept nowhere, also not in the browser. */
const NOBODY = { name: "", phone: "" };
const HERE = "here";
const SHELF = commandShelf("matters.take");

export default function TakeReport() {
  const { m, t, say } = useMatterWords();
  const may = useMay("report.file");
  const services = useServices();
  const kept = useKept("matters.take", BLANK);
  const [caller, setCaller] = useState(NOBODY);
  const form = { ...kept.value, ...caller };
  const [taken, setTaken] = useState<string | null>(null);
  const words = useRef<HTMLTextAreaElement>(null);
  useEffect(() => words.current?.focus(), []);
  const take = useCommand<{ report_id: string; matter_id: string }>({
    shelf: SHELF,
    done: ({ matter_id }) => {
      setTaken(matter_id);
      kept.forget();
      setCaller(NOBODY);
      words.current?.focus();
    },
  });
  const set = (field: keyof typeof form) => (value: string) =>
    field in NOBODY
      ? setCaller((before) => ({ ...before, [field]: value }))
      : kept.set((before) => ({ ...before, [field]: value }));
  const place = pointOf(form.lon, form.lat);
  const spots = useOpenSpots(place);
  if (!may)
    return (
      <div className="page">
        <Panel>
          <Empty title={t("state.forbidden")}>{t("state.forbiddenRemedy")}</Empty>
        </Panel>
      </div>
    );
  return (
    <div className="page">
      <div>
        <div className="crumbs">
          <Link href="/matters">{m("title")}</Link> / {m("take.title")}
        </div>
        <h1 style={{ fontSize: 20, margin: 0 }}>{m("take.title")}</h1>
      </div>
      {taken !== null && <Taken id={taken} />}
      <div className="take">
        <Panel>
          <form
            className="body stack"
            style={{ gap: 14, paddingTop: 12 }}
            data-testid="take-form"
            onSubmit={(event) => {
              event.preventDefault();
              if (take.isPending || form.text.trim() === "") return;
              setTaken(null);
              take.mutate({
                path: "/api/reports",
                body: {
                  text: form.text.trim(),
                  category: form.category || null,
                  address: form.address.trim(),
                  place,
                  caller:
                    form.name.trim() || form.phone.trim()
                      ? { name: form.name.trim() || null, phone: form.phone.trim() || null }
                      : null,
                },
              });
            }}
          >
            <Textarea
              label={m("take.text")}
              description={m("take.textHint")}
              required
              ref={words}
              autosize
              minRows={4}
              maxRows={12}
              data-testid="take-text"
              value={form.text}
              onChange={(event) => set("text")(event.currentTarget.value)}
            />
            <NativeSelect
              label={m("take.service")}
              data-testid="take-service"
              data={[{ value: "", label: m("take.serviceAuto") }, ...grouped(services.data ?? [], m, say)]}
              value={form.category}
              onChange={(event) => set("category")(event.currentTarget.value)}
            />
            {services.data === undefined && services.error !== null && (
              <Failure error={services.error} retry={() => void services.refetch()} />
            )}
            <TextInput
              label={m("take.address")}
              description={m("take.addressHint")}
              autoComplete="off"
              data-testid="take-address"
              value={form.address}
              onChange={(event) => set("address")(event.currentTarget.value)}
            />
            <fieldset className="stack" style={{ border: 0, margin: 0, padding: 0 }}>
              <legend style={{ fontWeight: 600, padding: 0 }}>{m("take.place")}</legend>
              <span className="quiet">{m("take.placeHint")}</span>
              <div className="pair">
                {(["lon", "lat"] as const).map((field) => (
                  <TextInput
                    key={field}
                    label={m(`take.${field}`)}
                    inputMode="decimal"
                    autoComplete="off"
                    required={form.lon !== "" || form.lat !== ""}
                    pattern="-?[0-9]{1,3}([.][0-9]+)?"
                    data-testid={`take-${field}`}
                    value={form[field]}
                    onChange={(event) => set(field)(event.currentTarget.value)}
                  />
                ))}
              </div>
              {place && (
                <button
                  type="button"
                  className="link"
                  onClick={() => kept.set((now) => ({ ...now, lon: "", lat: "" }))}
                >
                  {m("take.clear")}
                </button>
              )}
            </fieldset>
            <fieldset className="stack" style={{ border: 0, margin: 0, padding: 0 }}>
              <legend style={{ fontWeight: 600, padding: 0 }}>{m("take.caller")}</legend>
              <span className="quiet" data-testid="take-privacy">
                {m("take.privacy")}
              </span>
              <div className="pair">
                <TextInput
                  label={m("take.name")}
                  autoComplete="off"
                  maxLength={200}
                  data-testid="take-name"
                  value={form.name}
                  onChange={(event) => set("name")(event.currentTarget.value)}
                />
                <TextInput
                  label={m("take.phone")}
                  type="tel"
                  autoComplete="off"
                  maxLength={60}
                  data-testid="take-phone"
                  value={form.phone}
                  onChange={(event) => set("phone")(event.currentTarget.value)}
                />
              </div>
            </fieldset>
            {take.error !== null && <Failure error={take.error} />}
            <Button type="submit" loading={take.isPending} data-testid="take-confirm">
              {m("take.confirm")}
            </Button>
          </form>
        </Panel>
        <Panel className="map-area" title={m("map.title")}>
          <Where
            spots={spots}
            selected={place ? HERE : null}
            select={() => undefined}
            place={(lon, lat) => kept.set((now) => ({ ...now, lon: lon.toFixed(6), lat: lat.toFixed(6) }))}
          />
          <div className="map-legend quiet">{m("take.mapNote")}</div>
        </Panel>
      </div>
    </div>
  );
}

/** What became of a call: alone, or one of many. */
function Taken({ id }: { id: string }) {
  const { m, say } = useMatterWords();
  const matter = useMatter(id);
  return (
    <Panel>
      <div className="body line" style={{ paddingTop: 12 }} role="status" data-testid="taken">
        <strong>{m("take.done")}</strong>
        <Shown of={matter} lines={1}>
          {(found) => (
            <>
              <span>{found.reports > 1 ? m("take.joined", { n: found.reports - 1 }) : m("take.founded")}</span>
              <span className="quiet">
                {found.handler
                  ? m("list.handler", { unit: say(found.handler_title) })
                  : found.proposed.unit
                    ? m("list.proposed", { unit: say(found.proposed.unit_title) })
                    : m("list.noProposal")}
              </span>
              <Link href={`/matters/${id}`} data-testid="taken-open">
                {m("take.openMatter")}
              </Link>
            </>
          )}
        </Shown>
      </div>
    </Panel>
  );
}

/** The open matters as grey points, so that what is known already is seen; the chosen place on top. */
function useOpenSpots(place: Point | null): Spot[] {
  const { m } = useMatterWords();
  const open = useMatters({ state: "open", service: null, unit: null }).data?.pages;
  return useMemo(() => {
    const known = (open ?? []).flatMap(({ items }) =>
      items.map((matter) => ({
        key: matter.id,
        name: matter.service_title ?? { "zh-CN": matter.service, en: matter.service },
        place: matter.place,
        reports: matter.reports,
        at: matter.last_at,
      })),
    );
    const name = { "zh-CN": m("take.place"), en: m("take.place") };
    return place === null ? known : [...known, { key: HERE, name, place, reports: 1, at: null }];
  }, [open, place, m]);
}

function pointOf(lon: string, lat: string): Point | null {
  const [x, y] = [Number(lon), Number(lat)];
  return lon.trim() === "" || lat.trim() === "" || !Number.isFinite(x) || !Number.isFinite(y)
    ? null
    : { lon: x, lat: y };
}

function grouped(services: readonly Service[], m: MatterWords["m"], say: MatterWords["say"]) {
  const groups = new Map<string, { value: string; label: string }[]>();
  for (const { code, title, group } of services)
    groups.set(group, [...(groups.get(group) ?? []), { value: code, label: say(title) }]);
  return [...groups].map(([group, items]) => {
    const key = `take.group.${group}`;
    return { group: isKey(key) ? m(key) : group, items };
  });
}
