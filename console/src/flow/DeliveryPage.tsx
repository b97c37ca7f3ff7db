/** One delivery: what it was, how much of it landed, and each row that did not with its reason. */

import { NativeSelect } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "wouter";
import { useMay } from "../api/queries";
import type { QuarantineRow } from "../api/types";
import { DatasetName } from "../ui/DatasetName";
import { More } from "../ui/More";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { Figure, Unanswered, useDeliveryName, Why } from "./parts";
import { Raw } from "./QuarantinePart";
import { useBadRows, useDelivery } from "./queries";
import { DeliveryState } from "./SourceFlow";
import type { DeliveryDetail } from "./types";
import { useFlowWords } from "./words";

export default function DeliveryPage() {
  const { id = "" } = useParams<{ id: string }>();
  const delivery = useDelivery(decodeURIComponent(id));
  return (
    <div className="page">
      {delivery.data === undefined ? <Unanswered of={delivery} back="flow" /> : <View delivery={delivery.data} />}
    </div>
  );
}

function View({ delivery }: { delivery: DeliveryDetail }) {
  const { f, t, say, number, bytes, code: word } = useFlowWords();
  const mayRead = useMay("quarantine.read");
  const reasons = Object.entries(delivery.reasons);
  return (
    <>
      <div>
        <div className="crumbs">
          <Link href={`/flow/${encodeURIComponent(delivery.department)}`}>{say(delivery.department_title)}</Link> /{" "}
          <Link href={`/sources/${encodeURIComponent(delivery.source)}`}>{say(delivery.source_title)}</Link> /{" "}
          {f("delivery.title")}
        </div>
        <h1 className="line flow-wrap" style={{ fontSize: 20, margin: 0 }}>
          {useDeliveryName()(delivery.name) || delivery.id} <DeliveryState state={delivery.state} />
        </h1>
        {delivery.reason && <div className="late">{say(delivery.reason)}</div>}
      </div>
      <div className="columns">
        <Panel>
          <dl className="flow-figures">
            <Figure name={f("delivery.rows")}>{number(delivery.rows, 0)}</Figure>
            <Figure name={f("delivery.quarantined")}>
              <span className={delivery.quarantined > 0 ? "flow-poor" : undefined}>
                {number(delivery.quarantined, 0)}
              </span>
            </Figure>
            <Figure name={f("delivery.open")}>{number(delivery.open, 0)}</Figure>
            <Figure name={f("delivery.bytes")}>{bytes(delivery.bytes ?? 0)}</Figure>
          </dl>
          <dl className="pairs" style={{ padding: "0 12px 12px" }}>
            <dt>{f("delivery.received")}</dt>
            <dd>
              <Moment at={delivery.received_at} shape="full" ago />
            </dd>
            <dt>{t("evidence.dataset")}</dt>
            <dd>
              <DatasetName name={delivery.dataset} />
            </dd>
            {delivery.version !== null && (
              <>
                <dt>{f("delivery.version")}</dt>
                <dd className="numeric">{delivery.version}</dd>
              </>
            )}
            <dt>{f("delivery.sha256")}</dt>
            <dd className="mono">{delivery.sha256 || "—"}</dd>
          </dl>
        </Panel>
        <Panel title={f("delivery.reasons")}>
          {reasons.length === 0 ? (
            <div className="body quiet">{f("delivery.noReasons")}</div>
          ) : (
            <Table>
              <thead>
                <tr>
                  <th>{f("delivery.reason")}</th>
                  <th className="right">{f("delivery.count")}</th>
                  <th className="right">{f("delivery.open")}</th>
                </tr>
              </thead>
              <tbody>
                {reasons.map(([code, count]) => (
                  <tr key={code}>
                    <td title={code}>{word("reason", code)}</td>
                    <td className="right">{number(count, 0)}</td>
                    <td className="right">{number(delivery.open_reasons[code] ?? 0, 0)}</td>
                  </tr>
                ))}
              </tbody>
            </Table>
          )}
        </Panel>
      </div>
      {reasons.length > 0 &&
        (mayRead ? (
          <BadRows delivery={delivery} />
        ) : (
          <Panel title={f("delivery.bad")}>
            <Empty title={t("state.forbidden")}>{t("state.forbiddenRemedy")}</Empty>
          </Panel>
        ))}
    </>
  );
}

const STATES = ["open", "replayed", "dismissed", "all"] as const;

function BadRows({ delivery }: { delivery: DeliveryDetail }) {
  const { f, number } = useFlowWords();
  const [state, setState] = useState<(typeof STATES)[number]>("open");
  const rows = useBadRows(delivery.id, state, true);
  const items = rows.data?.pages.flatMap((page) => page.items) ?? [];
  const total = rows.data?.pages[0]?.total ?? 0;
  return (
    <Panel
      title={f("delivery.bad")}
      aside={
        <span className="line">
          <span className="quiet numeric">{f("quarantine.count", { n: number(total, 0) })}</span>
          <NativeSelect
            size="xs"
            w={120}
            aria-label={f("quarantine.state")}
            data={STATES.map((one) => ({ value: one, label: one === "all" ? f("state.all") : f(`quarantine.${one}`) }))}
            value={state}
            onChange={({ currentTarget: { value } }) => setState(STATES.find((one) => one === value) ?? "open")}
          />
        </span>
      }
    >
      <Shown of={rows} lines={5}>
        {() =>
          items.length === 0 ? (
            <Empty title={f("delivery.noBad")}>{f("delivery.noBadWhy")}</Empty>
          ) : (
            <section className="flush" tabIndex={0} aria-label={f("delivery.bad")} style={{ maxHeight: 520 }}>
              <Table>
                <thead>
                  <tr>
                    <th className="right">{f("quarantine.col.row")}</th>
                    <th>{f("quarantine.col.reason")}</th>
                    <th>{f("quarantine.col.raw")}</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((row) => (
                    <BadRowLine key={row.id} row={row} />
                  ))}
                </tbody>
              </Table>
              <More pages={rows}>{f("deliveries.more")}</More>
            </section>
          )
        }
      </Shown>
    </Panel>
  );
}

function BadRowLine({ row }: { row: QuarantineRow }) {
  const { f, code } = useFlowWords();
  return (
    <tr data-testid="bad-row">
      <td className="right">
        <Link href={`/quarantine/${encodeURIComponent(row.id)}`}>{row.row ? row.row : f("bad.whole")}</Link>
      </td>
      <td>
        <Why reason={row.reason} /> <span className="quiet">{code("reason", row.reason.code)}</span>
      </td>
      <td>
        <Raw row={row} most={240} />
      </td>
    </tr>
  );
}
