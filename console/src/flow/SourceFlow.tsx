/** What one source delivered over time, what its listener says of itself, and its deliveries; part of a source's page. */

import { useState } from "react";
import { Link } from "wouter";
import type { SourceDelivery } from "../api/types";
import { More } from "../ui/More";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { Bars } from "./Bars";
import { Choice, Figure, Listener, useDeliveryName } from "./parts";
import { useDeliveries, useSourceFlow } from "./queries";
import { useFlowWords } from "./words";

const RANGES = ["1", "24", "168", "744"] as const;

export function SourceFlowPanel({ id }: { id: string }) {
  const { f, rate, percent, bytes } = useFlowWords();
  const [range, setRange] = useState<(typeof RANGES)[number]>("24");
  const flow = useSourceFlow(id, Number(range));
  return (
    <Panel
      title={f("source.flow")}
      aside={
        <Choice
          label={f("range.label")}
          among={RANGES.map((one) => [one, f(`range.${one}`)] as const)}
          value={range}
          choose={setRange}
          testid="flow-range"
        />
      }
    >
      <Shown of={flow} lines={5}>
        {(found) => (
          <div className="body stack">
            <dl className="flow-figures small">
              <Figure name={f("over.now")}>{rate(found.now.rate.now)}</Figure>
              <Figure name={f("over.hour")}>{rate(found.now.rate.hour)}</Figure>
              <Figure name={f("over.day")}>{rate(found.now.rate.day)}</Figure>
              <Figure name={f("total.quality")}>{percent(found.now.quality)}</Figure>
              <Figure name={f("total.bytes")}>{bytes(found.now.bytes_day)}</Figure>
            </dl>
            <Bars steps={found} title={f("source.flow")} />
            {found.listener && <Listener figures={found.listener} />}
          </div>
        )}
      </Shown>
    </Panel>
  );
}

export function Deliveries({ source }: { source: string }) {
  const { f, number } = useFlowWords();
  const [only, setOnly] = useState<"all" | "bad">("all");
  const deliveries = useDeliveries(source, only);
  const items = deliveries.data?.pages.flatMap((page) => page.items) ?? [];
  const total = deliveries.data?.pages[0]?.total ?? 0;
  return (
    <Panel
      title={f("deliveries.title")}
      aside={
        <span className="line">
          <span className="quiet numeric">{f("deliveries.total", { n: number(total, 0) })}</span>
          <Choice
            label={f("deliveries.only")}
            among={(["all", "bad"] as const).map((one) => [one, f(`deliveries.${one}`)] as const)}
            value={only}
            choose={setOnly}
            testid="deliveries-only"
          />
        </span>
      }
    >
      <Shown of={deliveries} lines={5}>
        {() =>
          items.length === 0 ? (
            <Empty title={only === "bad" ? f("deliveries.noneBad") : f("deliveries.empty")}>
              {only === "bad" ? null : f("deliveries.emptyWhy")}
            </Empty>
          ) : (
            <section className="flush" tabIndex={0} aria-label={f("deliveries.title")} style={{ maxHeight: 420 }}>
              <Table>
                <thead>
                  <tr>
                    <th>{f("deliveries.received")}</th>
                    <th>{f("deliveries.name")}</th>
                    <th className="right">{f("sources.rows")}</th>
                    <th className="right">{f("sources.quarantined")}</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((delivery) => (
                    <DeliveryRow key={delivery.id} delivery={delivery} />
                  ))}
                </tbody>
              </Table>
              <More pages={deliveries}>{f("deliveries.more")}</More>
            </section>
          )
        }
      </Shown>
    </Panel>
  );
}

function DeliveryRow({ delivery }: { delivery: SourceDelivery }) {
  const { say, number, bytes } = useFlowWords();
  const called = useDeliveryName();
  return (
    <tr data-testid="delivery-row">
      <td>
        <Moment at={delivery.received_at} shape="short" />
      </td>
      <td className="flow-wrap">
        <Link href={`/deliveries/${encodeURIComponent(delivery.id)}`}>{called(delivery.name) || delivery.id}</Link>{" "}
        <DeliveryState state={delivery.state} />
        {delivery.bytes !== null && (
          <span className="quiet numeric" style={{ whiteSpace: "nowrap" }}>
            {" "}
            {bytes(delivery.bytes)}
          </span>
        )}
        {delivery.reason && <div className="late">{say(delivery.reason)}</div>}
      </td>
      <td className="right">{number(delivery.rows, 0)}</td>
      <td className={delivery.quarantined > 0 ? "right flow-poor" : "right"}>{number(delivery.quarantined, 0)}</td>
    </tr>
  );
}

const STATES = ["landed", "refused", "unacknowledged"] as const;

export function DeliveryState({ state }: { state: string }) {
  const { f } = useFlowWords();
  const known = STATES.find((one) => one === state);
  return (
    <span className="tag" data-tone={state === "refused" ? "late" : undefined}>
      {known ? f(`delivery.${known}`) : state}
    </span>
  );
}
