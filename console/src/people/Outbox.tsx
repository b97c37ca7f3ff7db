/** Messages that leave the city: what is on its way, what left, what was given up and waits for a person. */

import { Button, NativeSelect } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useSearchParams } from "wouter";
import { get } from "../api/client";
import type { Iso } from "../api/types";
import { useCommand } from "../api/useCommand";
import { LongTable } from "../ui/LongTable";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { usePeopleWords } from "./words";

interface Message {
  key: string;
  topic: string;
  channel: string;
  recipient: string;
  state: "waiting" | "sent" | "given_up";
  attempts: number;
  posted_at: Iso;
  next_at: Iso | null;
  sent_at: Iso | null;
  error: string | null;
}

interface Page {
  items: Message[];
  total: number;
  next: string | null;
}

const STATES = ["given_up", "waiting", "sent"] as const;

export default function Outbox() {
  const { p } = usePeopleWords();
  const [params, setParams] = useSearchParams();
  const state = STATES.find((one) => one === params.get("state")) ?? "";
  const outbox = useInfiniteQuery({
    queryKey: ["outbox", state],
    queryFn: ({ pageParam }) => get<Page>("/api/outbox", { state, limit: 100, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    placeholderData: (before) => before,
  });
  const items = outbox.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="page">
      <div className="head">
        <h1 style={{ fontSize: 20, margin: 0 }}>{p("outbox")}</h1>
        <NativeSelect
          size="xs"
          aria-label={p("state")}
          data-testid="outbox-state"
          data={[
            { value: "", label: `${p("state")}: ${p("all")}` },
            ...STATES.map((one) => ({ value: one, label: p(`outbox.${one}`) })),
          ]}
          value={state}
          onChange={({ currentTarget: { value } }) =>
            setParams(value === "" ? {} : { state: value }, { replace: true })
          }
        />
      </div>
      <Panel>
        <Shown of={outbox} lines={8}>
          {() =>
            items.length === 0 ? (
              <Empty title={p("outbox.none")}>{p("outbox.noneWhy")}</Empty>
            ) : (
              <LongTable
                label={p("outbox")}
                test="outbox"
                columns={7}
                count={items.length}
                pages={outbox}
                head={
                  <tr>
                    <th data-cell="plain">{p("state")}</th>
                    <th data-cell="title">{p("outbox.topic")}</th>
                    <th>{p("outbox.channel")}</th>
                    <th>{p("outbox.recipient")}</th>
                    <th>{p("outbox.posted")}</th>
                    <th>{p("outbox.last")}</th>
                    <th />
                  </tr>
                }
                row={(index, props) => {
                  const one = items[index];
                  return one === undefined ? null : (
                    <tr key={`${one.key} ${one.channel} ${one.recipient}`} {...props}>
                      <td>
                        <span className="tag" data-tone={one.state === "given_up" ? "late" : undefined}>
                          {p(`outbox.${one.state}`)}
                        </span>
                      </td>
                      <td>
                        {one.topic === "orders" || one.topic === "escalations" ? (
                          p(`outbox.topic.${one.topic}`)
                        ) : (
                          <span className="mono">{one.topic}</span>
                        )}
                      </td>
                      <td>
                        {one.channel === "inbox" || one.channel === "file"
                          ? p(`outbox.via.${one.channel}`)
                          : one.channel}
                      </td>
                      <td style={{ overflowWrap: "anywhere" }}>
                        {one.recipient || <span className="quiet">{p("outbox.everybody")}</span>}
                      </td>
                      <td>
                        <Moment at={one.posted_at} />
                      </td>
                      <td>
                        <Moment at={one.sent_at ?? one.next_at} />
                        <div className="quiet">{p("outbox.tries", { n: one.attempts })}</div>
                        {one.error !== null && <div className="late">{one.error}</div>}
                      </td>
                      <td className="right">{one.state === "given_up" && <Resend of={one} />}</td>
                    </tr>
                  );
                }}
              />
            )
          }
        </Shown>
      </Panel>
    </div>
  );
}

function Resend({ of }: { of: Message }) {
  const { p } = usePeopleWords();
  const tell = useTell();
  const send = useCommand({ done: () => tell.done(p("outbox.done")), failed: tell.failed });
  return (
    <Button
      size="xs"
      variant="default"
      loading={send.isPending}
      data-testid="outbox-resend"
      onClick={() =>
        send.mutate({ path: `/api/outbox/${encodeURIComponent(of.key)}/resend`, body: { channel: of.channel } })
      }
    >
      {p("outbox.again")}
    </Button>
  );
}
