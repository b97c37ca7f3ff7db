/** The library: what waits for a second person, every plan with what it answers, drafts, decision tables. */

import { Button, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link, useLocation } from "wouter";
import { useMay, useSession } from "../api/queries";
import type { Level } from "../api/types";
import { blankDrawing, blankTable, blankText } from "../plans/blank";
import { createDraft, useDrafts, useFamilies, useTables } from "../plans/queries";
import { AppliesTo, DraftStateWord, PlanTabs, Published, usePersonWords, Validity } from "../plans/shared";
import type { Draft, DraftKind, PlanFamily } from "../plans/types";
import { usePlanWords } from "../plans/words";
import { FileField } from "../ui/FileField";
import { Table } from "../ui/Table";
import "../plans/plans.css";
import { Sheet } from "../ui/Sheet";
import { Empty, Failure, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";

export default function PlanLibrary() {
  const { p } = usePlanWords();
  const mayDraft = useMay("plan.draft");
  const families = useFamilies();
  const tables = useTables();
  const drafts = useDrafts(mayDraft);
  const [making, setMaking] = useState(false);
  const open = (drafts.data ?? []).filter(
    ({ state }) => state === "draft" || state === "submitted" || state === "rejected",
  );
  const waiting = open.filter(({ state }) => state === "submitted");
  return (
    <div className="page plans">
      <div className="head">
        <h1>{p("library.title")}</h1>
        {mayDraft && (
          <Button data-testid="new-draft" onClick={() => setMaking(true)}>
            {p("library.new")}
          </Button>
        )}
      </div>
      <PlanTabs at="plans" />
      {waiting.length > 0 && (
        <Panel title={p("library.waiting")} aside={<span className="quiet">{p("library.waitingWhy")}</span>}>
          <Drafts drafts={waiting} />
        </Panel>
      )}
      {mayDraft && (
        <Panel title={p("library.drafts")}>
          <Shown of={drafts} lines={2}>
            {() =>
              open.length === waiting.length ? (
                <Empty title={p("library.noDrafts")}>{p("library.noDraftsWhy")}</Empty>
              ) : (
                <Drafts drafts={open.filter(({ state }) => state !== "submitted")} />
              )
            }
          </Shown>
        </Panel>
      )}
      <Panel title={p("library.published")} aside={<span className="quiet">{p("library.publishedWhy")}</span>}>
        <Shown of={families} lines={6}>
          {(items) =>
            items.length === 0 ? (
              <Empty title={p("library.none")}>{p("library.noneWhy")}</Empty>
            ) : (
              <Families families={items} />
            )
          }
        </Shown>
      </Panel>
      <Panel
        title={p("tables.title")}
        aside={<Link href="/plans/decisions">{p("tables.all", { n: tables.data?.length ?? 0 })}</Link>}
      >
        <div className="body quiet">{p("tables.what")}</div>
      </Panel>
      {making && <NewDraft close={() => setMaking(false)} />}
    </div>
  );
}

function Families({ families }: { families: readonly PlanFamily[] }) {
  const { p, say, number } = usePlanWords();
  const [unfolded, setUnfolded] = useState<string | null>(null);
  return (
    <section className="flush" tabIndex={0} aria-label={p("library.published")}>
      <Table data-testid="plan-table">
        <thead>
          <tr>
            <th>{p("library.plan")}</th>
            <th data-cell="plain">{p("library.applies")}</th>
            <th>{p("library.version")}</th>
            <th>{p("library.valid")}</th>
            <th className="right">{p("library.steps")}</th>
            <th>{p("library.publishedAt")}</th>
            <th data-cell="plain">{p("library.versions")}</th>
          </tr>
        </thead>
        <tbody>
          {families.map((family) => {
            const now = family.versions.find(({ in_force }) => in_force) ?? family.versions[0];
            if (now === undefined) return null;
            const folded = unfolded !== family.name;
            const rows: ReactNode[] = [
              <tr key={family.name} data-testid="plan-row" data-plan={family.name}>
                <td className="wide">
                  <Link href={`/plans/${now.digest}`}>{say(family.title)}</Link>
                  <div className="quiet mono">{family.name}</div>
                </td>
                <td>
                  <AppliesTo kind={now.kind} levels={now.levels as Level[]} />
                </td>
                <td>
                  {now.version}
                  {!now.in_force && <div className="quiet">{p("library.notInForce")}</div>}
                </td>
                <td>
                  <Validity from={now.valid_from} until={now.valid_until} />
                </td>
                <td className="right">{number(now.steps, 0)}</td>
                <td>
                  <Published version={now} />
                </td>
                <td>
                  {family.versions.length > 1 ? (
                    <button
                      type="button"
                      className="link fold"
                      aria-expanded={!folded}
                      onClick={() => setUnfolded(folded ? family.name : null)}
                    >
                      {p("library.versionCount", { n: family.versions.length })}
                    </button>
                  ) : (
                    <span className="quiet">{p("library.versionCount", { n: 1 })}</span>
                  )}
                </td>
              </tr>,
            ];
            if (!folded)
              for (const version of family.versions)
                rows.push(
                  <tr key={version.digest} className="sub">
                    <td className="wide">
                      <Link href={`/plans/${version.digest}`}>
                        {say(version.title)} v{version.version}
                      </Link>
                    </td>
                    <td>
                      <AppliesTo kind={version.kind} levels={version.levels as Level[]} />
                    </td>
                    <td>
                      {version.version} {version.in_force && <span className="tag">{p("library.inForce")}</span>}
                    </td>
                    <td>
                      <Validity from={version.valid_from} until={version.valid_until} />
                    </td>
                    <td className="right">{number(version.steps, 0)}</td>
                    <td>
                      <Published version={version} />
                    </td>
                    <td>
                      {version.digest !== now.digest && (
                        <Link href={`/plans/${now.digest}?with=${version.digest}`}>{p("diff.open")}</Link>
                      )}
                    </td>
                  </tr>,
                );
            return rows;
          })}
        </tbody>
      </Table>
    </section>
  );
}

function Drafts({ drafts }: { drafts: readonly Draft[] }) {
  const { p, say, t } = usePlanWords();
  const me = useSession().data?.actor.id;
  const who = usePersonWords();
  return (
    <section className="flush" tabIndex={0} aria-label={p("library.drafts")}>
      <Table>
        <thead>
          <tr>
            <th>{p("draft.what")}</th>
            <th data-cell="plain">{p("draft.kind")}</th>
            <th data-cell="plain">{p("draft.state")}</th>
            <th>{p("draft.authors")}</th>
            <th>{p("draft.updated")}</th>
          </tr>
        </thead>
        <tbody>
          {drafts.map((draft) => (
            <tr key={draft.id} data-testid="draft-row" data-state={draft.state}>
              <td className="wide">
                <Link href={`/plans/drafts/${draft.id}`}>
                  {draft.title ? say(draft.title) : (draft.name ?? p("draft.untitled"))}
                </Link>
                {draft.reason && draft.state !== "submitted" && (
                  <div className="late">{p("draft.sentBack", { reason: draft.reason })}</div>
                )}
              </td>
              <td>{p(`draftKind.${draft.kind}`)}</td>
              <td>
                <DraftStateWord draft={draft} me={me} />
              </td>
              <td>{draft.authors.map((one) => who(one)).join(t("listComma"))}</td>
              <td>
                <Moment at={draft.updated_at} ago />
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}

/** A drawing, a text or a table; from nothing, or from a file that is there. */
function NewDraft({ close }: { close: () => void }) {
  const { p, t } = usePlanWords();
  const [, go] = useLocation();
  const client = useQueryClient();
  const [kind, setKind] = useState<DraftKind>("bpmn");
  const [source, setSource] = useState("");
  const make = useMutation({
    mutationFn: () =>
      createDraft(
        kind,
        source.trim() !== "" ? source : kind === "bpmn" ? blankDrawing() : kind === "yaml" ? blankText() : blankTable(),
      ),
    onSuccess: (draft) => {
      void client.invalidateQueries({ queryKey: ["drafts"] });
      close();
      go(`/plans/drafts/${draft.id}`);
    },
  });
  return (
    <Sheet title={p("new.title")} close={close}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <fieldset className="choice">
          <legend>{p("new.which")}</legend>
          {(["bpmn", "dmn", "yaml"] as const).map((one) => (
            <label key={one}>
              <input
                type="radio"
                name="kind"
                value={one}
                data-testid={`new-${one}`}
                checked={kind === one}
                onChange={() => setKind(one)}
              />
              <span>
                <strong>{p(`draftKind.${one}`)}</strong>
                <br />
                <span className="quiet">{p(`new.${one}`)}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <details>
          <summary>{p("new.fromFile")}</summary>
          <FileField
            label={p("new.file")}
            accept={kind === "yaml" ? ".yaml,.yml,.json" : kind === "bpmn" ? ".bpmn,.xml" : ".dmn,.xml,.yaml,.yml"}
            chosen={(file) => void file.text().then(setSource)}
          />
          <Textarea
            label={p("new.paste")}
            className="code"
            rows={6}
            value={source}
            onChange={(event) => setSource(event.currentTarget.value)}
          />
        </details>
        {make.error !== null && <Failure error={make.error} />}
        <div className="line" style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={make.isPending} data-testid="new-confirm">
            {p("new.begin")}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
