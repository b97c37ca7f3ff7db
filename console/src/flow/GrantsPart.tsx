/** Who may read a dataset: what you see of it, requests with their deadline, grants with their end, and the acts on them. */

import { Button, Checkbox, NumberInput, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { Link } from "wouter";
import { useCity, useMay } from "../api/queries";
import { useCommand } from "../api/useCommand";
import type { Key } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { Sheet } from "../ui/Sheet";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { ColumnsField } from "./ColumnsField";
import { Give } from "./GivePart";
import { type Grant, type Party, type SharingRequest, type Use, useGrants, useRequests } from "./grants";
import type { CatalogueDataset } from "./types";
import { type FlowWords, useFlowWords } from "./words";

const DAY_MS = 86_400_000;
const partyWords = ({ f, say, t }: FlowWords, to: Party) =>
  to.handlers
    ? f("grants.handlers")
    : [
        to.person && (to.person.name ? `${say(to.person.name)} (${to.person.username})` : to.person.id),
        to.department_title && say(to.department_title),
        to.role && t(`role.${to.role}` as Key),
      ]
        .filter(Boolean)
        .join(" · ");
const columnWords = ({ f }: FlowWords, columns: readonly string[]) =>
  columns.length === 0 ? f("grants.allColumns") : columns.join(", ");
const usesWords = ({ code }: FlowWords, uses: readonly Use[]) => uses.map((one) => code("use", one)).join(" · ");

/** What you see of the dataset, in a sentence, and the way to see more. */
export function Sight({ dataset }: { dataset: CatalogueDataset }) {
  const { f } = useFlowWords();
  const [asking, setAsking] = useState(false);
  const may = useMay("share.request");
  const { sight } = dataset;
  const hidden = sight.withheld.length;
  const words = sight.own
    ? f("sight.own")
    : !sight.open
      ? f("sight.closed")
      : [
          hidden === 0 ? f("sight.all") : f("sight.some", { n: hidden, columns: sight.withheld.join(", ") }),
          sight.limited ? f("sight.limited") : "",
        ].join(" ");
  const more = !sight.own && (!sight.open || hidden > 0 || sight.limited);
  return (
    <Panel
      title={f("sight.title")}
      aside={
        more && may && dataset.sharing !== 3 ? (
          <Button size="xs" data-testid="ask-grant" onClick={() => setAsking(true)}>
            {f("ask.open")}
          </Button>
        ) : undefined
      }
    >
      <div className="body" data-testid="sight">
        {words}
        {more && dataset.sharing === 3 && <span className="quiet"> {f("ask.never")}</span>}
      </div>
      {asking && <Ask dataset={dataset} close={() => setAsking(false)} />}
    </Panel>
  );
}

function Ask({ dataset, close }: { dataset: CatalogueDataset; close: () => void }) {
  const { f, say } = useFlowWords();
  const tell = useTell();
  const now = useNow();
  const [columns, setColumns] = useState<string[]>([]);
  const [purpose, setPurpose] = useState("");
  const [rows, setRows] = useState("");
  const [days, setDays] = useState<number | string>(90);
  const [alone, setAlone] = useState(false);
  const send = useCommand<SharingRequest>({
    done: () => {
      tell.done(f("ask.done"));
      close();
    },
    failed: tell.failed,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const ends = Number(days) > 0 ? new Date(now + Number(days) * DAY_MS) : null;
    send.mutate({
      path: "/api/requests",
      body: { dataset: dataset.name, purpose, columns, rows: rows || null, until: ends?.toISOString() ?? null, alone },
    });
  };
  return (
    <Sheet title={f("ask.title", { dataset: say(dataset.title) })} close={close}>
      <form className="body stack" onSubmit={submit}>
        <Textarea
          label={f("ask.purpose")}
          description={f("ask.purposeWhy")}
          required
          autosize
          minRows={2}
          data-testid="ask-purpose"
          value={purpose}
          onChange={({ currentTarget: { value } }) => setPurpose(value)}
        />
        <ColumnsField dataset={dataset} columns={columns} choose={setColumns} />
        <TextInput
          label={f("ask.rows")}
          description={f("ask.rowsWhy")}
          value={rows}
          onChange={({ currentTarget: { value } }) => setRows(value)}
        />
        <NumberInput label={f("ask.days")} min={1} max={1_095} value={days} onChange={setDays} w={200} />
        <Checkbox
          size="xs"
          label={f("ask.alone")}
          description={f("ask.aloneWhy")}
          data-testid="ask-alone"
          checked={alone}
          onChange={({ currentTarget: { checked } }) => setAlone(checked)}
        />
        <span className="line">
          <Button
            type="submit"
            size="xs"
            loading={send.isPending}
            data-testid="ask-send"
            disabled={!purpose.trim() || (alone && !(Number(days) > 0))}
          >
            {f("ask.send")}
          </Button>
          <Button size="xs" variant="default" onClick={close}>
            {f("ask.cancel")}
          </Button>
        </span>
      </form>
    </Sheet>
  );
}

/** Asks for a reason, and sends it. */
function Reason({
  title,
  act,
  path,
  body,
  danger = false,
  close,
  children,
}: {
  title: string;
  act: string;
  path: string;
  body: (reason: string) => Record<string, unknown>;
  danger?: boolean;
  close: () => void;
  children?: ReactNode;
}) {
  const { f } = useFlowWords();
  const tell = useTell();
  const [reason, setReason] = useState("");
  const send = useCommand<unknown>({
    done: () => {
      tell.done(f("grants.done"));
      close();
    },
    failed: tell.failed,
  });
  return (
    <Sheet title={title} close={close}>
      <form
        className="body stack"
        onSubmit={(event) => {
          event.preventDefault();
          send.mutate({ path, body: body(reason) });
        }}
      >
        {children}
        <Textarea
          label={f("grants.reason")}
          required
          autosize
          minRows={2}
          data-testid="grant-reason"
          value={reason}
          onChange={({ currentTarget: { value } }) => setReason(value)}
        />
        <span className="line">
          <Button
            type="submit"
            size="xs"
            color={danger ? "red" : undefined}
            loading={send.isPending}
            disabled={!reason.trim()}
            data-testid="grant-send"
          >
            {act}
          </Button>
          <Button size="xs" variant="default" onClick={close}>
            {f("ask.cancel")}
          </Button>
        </span>
      </form>
    </Sheet>
  );
}

/** Requests for one dataset, or for all that are yours to see. */
export function Requests({ dataset }: { dataset: string | null }) {
  const words = useFlowWords();
  const { f, say } = words;
  const requests = useRequests(dataset, dataset === null ? "open" : "all");
  const [act, setAct] = useState<{ of: SharingRequest; grant: boolean } | null>(null);
  const tell = useTell();
  const withdraw = useCommand<unknown>({ done: () => tell.done(f("grants.done")), failed: tell.failed });
  const items = requests.data?.items;
  if (items !== undefined && items.length === 0 && dataset === null) return null;
  return (
    <Panel title={f("requests.title")} aside={<span className="quiet">{f("requests.aside")}</span>}>
      <Shown of={requests} lines={2}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title={f("requests.none")}>{f("requests.noneWhy")}</Empty>
          ) : (
            <section className="flush" tabIndex={0} aria-label={f("requests.title")}>
              <Table>
                <thead>
                  <tr>
                    {dataset === null && <th>{f("catalogue.dataset")}</th>}
                    <th>{f("requests.who")}</th>
                    <th>{f("grants.columns")}</th>
                    <th>{f("grants.purpose")}</th>
                    <th>{f("requests.due")}</th>
                    <th data-cell="plain">{f("table.state")}</th>
                    <th data-cell="plain">{f("grants.acts")}</th>
                  </tr>
                </thead>
                <tbody>
                  {page.items.map((one) => (
                    <tr key={one.id} data-testid="request-row">
                      {dataset === null && (
                        <td>
                          <Link href={`/catalogue/${encodeURIComponent(one.dataset)}`}>{say(one.dataset_title)}</Link>
                        </td>
                      )}
                      <td>
                        {partyWords(words, one.to)} <span className="quiet">{say(one.asked_by.name)}</span>
                      </td>
                      <td className="flow-wrap">
                        {columnWords(words, one.columns)}
                        {one.rows && <div className="mono quiet">{one.rows}</div>}
                      </td>
                      <td className="flow-wrap">
                        {one.purpose}
                        {one.until !== null && (
                          <div className="quiet">
                            {f("grants.until")} <Moment at={one.until} />
                          </div>
                        )}
                      </td>
                      <td>
                        <Moment at={one.due_at} />{" "}
                        {one.late && (
                          <span className="status" data-tone="late">
                            {f("requests.late")}
                          </span>
                        )}
                        <div className="quiet">
                          {say(one.rule.title)}
                          {!one.rule.verified && ` · ${f("requests.unverified")}`}
                        </div>
                      </td>
                      <td className="flow-wrap">
                        {f(`request.${one.state}`)}
                        {one.reason && <div className="quiet">{one.reason}</div>}
                      </td>
                      <td>
                        <span className="line">
                          {one.may.decide && (
                            <>
                              <Button
                                size="compact-xs"
                                data-testid="request-grant"
                                onClick={() => setAct({ of: one, grant: true })}
                              >
                                {f("requests.grant")}
                              </Button>
                              <Button
                                size="compact-xs"
                                variant="default"
                                onClick={() => setAct({ of: one, grant: false })}
                              >
                                {f("requests.refuse")}
                              </Button>
                            </>
                          )}
                          {one.may.withdraw && (
                            <Button
                              size="compact-xs"
                              variant="default"
                              loading={withdraw.isPending}
                              onClick={() => withdraw.mutate({ path: `/api/requests/${one.id}/withdraw` })}
                            >
                              {f("requests.withdraw")}
                            </Button>
                          )}
                        </span>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </Table>
            </section>
          )
        }
      </Shown>
      {act && <Decide of={act.of} grant={act.grant} close={() => setAct(null)} />}
    </Panel>
  );
}

function Decide({ of, grant, close }: { of: SharingRequest; grant: boolean; close: () => void }) {
  const words = useFlowWords();
  const { f } = words;
  const [columns, setColumns] = useState<string[]>(of.columns);
  const [rows, setRows] = useState("");
  return (
    <Reason
      title={grant ? f("decide.grant") : f("decide.refuse")}
      act={grant ? f("requests.grant") : f("requests.refuse")}
      path={`/api/requests/${of.id}/decide`}
      body={(reason) => ({
        grant,
        reason,
        columns: grant && columns.length > 0 ? columns : null,
        rows: grant && rows ? rows : null,
      })}
      danger={!grant}
      close={close}
    >
      <p style={{ margin: 0 }}>
        {partyWords(words, of.to)}: {of.purpose}
      </p>
      {grant && of.columns.length > 0 && (
        <Checkbox.Group label={f("decide.columns")} value={columns} onChange={setColumns}>
          <div className="grants-columns">
            {of.columns.map((name) => (
              <Checkbox
                key={name}
                size="xs"
                value={name}
                label={name}
                disabled={columns.length === 1 && columns[0] === name}
              />
            ))}
          </div>
        </Checkbox.Group>
      )}
      {grant && (
        <TextInput
          label={f("ask.rows")}
          description={of.rows ?? f("ask.rowsWhy")}
          value={rows}
          onChange={({ currentTarget: { value } }) => setRows(value)}
        />
      )}
    </Reason>
  );
}

/** Every grant of a dataset, those in force first. */
export function GrantList({ dataset }: { dataset: CatalogueDataset }) {
  const words = useFlowWords();
  const { f, say } = words;
  const grants = useGrants(dataset.name);
  const apps = new Map(useCity().data?.apps.map(({ id, title }) => [id, say(title)]));
  const [giving, setGiving] = useState(false);
  const [act, setAct] = useState<{ of: Grant; what: "revoke" | "accept" | "decline" } | null>(null);
  return (
    <Panel
      title={f("grants.title")}
      aside={
        <span className="line">
          <span className="quiet flow-more">{f("grants.aside")}</span>
          {grants.data?.may.give && (
            <Button size="xs" variant="default" data-testid="give-open" onClick={() => setGiving(true)}>
              {f("give.open")}
            </Button>
          )}
        </span>
      }
    >
      <Shown of={grants} lines={2}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty title={f("grants.none")}>{f("grants.noneWhy")}</Empty>
          ) : (
            <section className="flush" tabIndex={0} aria-label={f("grants.title")}>
              <Table>
                <thead>
                  <tr>
                    <th>{f("grants.to")}</th>
                    <th>{f("grants.columns")}</th>
                    <th>{f("grants.purpose")}</th>
                    <th>{f("grants.until")}</th>
                    <th data-cell="plain">{f("table.state")}</th>
                    <th data-cell="plain">{f("grants.acts")}</th>
                  </tr>
                </thead>
                <tbody>
                  {[...page.items]
                    .sort((a, b) => rank(a) - rank(b))
                    .map((one) => (
                      <tr key={one.id} data-testid="grant-row" data-state={one.state}>
                        <td>
                          {partyWords(words, one.to)}
                          <div className="quiet">{usesWords(words, one.uses)}</div>
                        </td>
                        <td className="flow-wrap">
                          {columnWords(words, one.columns)}
                          {one.limited && <div className="mono quiet">{one.rows ?? f("grants.someRows")}</div>}
                        </td>
                        <td className="flow-wrap">
                          {say(one.purpose)}
                          {one.origin && (
                            <div className="quiet" title={one.origin}>
                              {f("grants.proposedBy", { app: apps.get(one.origin.split("/")[0] ?? "") ?? one.origin })}
                            </div>
                          )}
                        </td>
                        <td>{one.until ? <Moment at={one.until} /> : f("grants.forever")}</td>
                        <td className="flow-wrap">
                          {f(`grant.${one.state}`)}
                          {(one.ended_by ?? one.given_by) && (
                            <div className="quiet">
                              {say((one.ended_by ?? one.given_by)?.name)} <Moment at={one.ended_at ?? one.given_at} />
                            </div>
                          )}
                          {one.reason && <div className="quiet">{one.reason}</div>}
                        </td>
                        <td>
                          <span className="line">
                            {one.may.answer && (
                              <>
                                <Button size="compact-xs" onClick={() => setAct({ of: one, what: "accept" })}>
                                  {f("grants.accept")}
                                </Button>
                                <Button
                                  size="compact-xs"
                                  variant="default"
                                  onClick={() => setAct({ of: one, what: "decline" })}
                                >
                                  {f("grants.decline")}
                                </Button>
                              </>
                            )}
                            {one.may.revoke && (
                              <Button
                                size="compact-xs"
                                variant="default"
                                data-testid="grant-revoke"
                                onClick={() => setAct({ of: one, what: "revoke" })}
                              >
                                {f("grants.revoke")}
                              </Button>
                            )}
                          </span>
                        </td>
                      </tr>
                    ))}
                </tbody>
              </Table>
            </section>
          )
        }
      </Shown>
      {giving && <Give dataset={dataset} close={() => setGiving(false)} />}
      {act && (
        <Reason
          title={f(`grants.${act.what}`)}
          act={f(`grants.${act.what}`)}
          path={`/api/grants/${act.of.id}/${act.what === "revoke" ? "revoke" : "answer"}`}
          body={(reason) => (act.what === "revoke" ? { reason } : { reason, accept: act.what === "accept" })}
          danger={act.what !== "accept"}
          close={() => setAct(null)}
        >
          <p style={{ margin: 0 }}>
            {partyWords(words, act.of.to)}: {say(act.of.purpose)}
          </p>
        </Reason>
      )}
    </Panel>
  );
}

const rank = (one: Grant) => (one.state === "proposed" ? 0 : one.state === "given" ? 1 : 2);
