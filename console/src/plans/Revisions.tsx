/** The revisions of a draft: who saved which and when; one of them looked at, compared, and taken up again. */

import { Button, NativeSelect } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Sheet } from "../ui/Sheet";
import { Empty, Loading, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { DecisionView } from "./DecisionView";
import { Differences } from "./Differences";
import { useRevision, useRevisions } from "./queries";
import { usePersonWords } from "./shared";
import type { DraftDetail, Revision, RevisionHead } from "./types";
import { usePlanWords } from "./words";

const Drawing = lazy(() => import("../bpmn/Drawing"));

export function Revisions({
  draft,
  takeUp,
}: {
  draft: DraftDetail;
  /** Goes on with the text of an earlier revision, unless the writer decides otherwise; null where it cannot be changed. */
  takeUp: ((source: string) => boolean) | null;
}) {
  const { p } = usePlanWords();
  const who = usePersonWords();
  const tell = useTell();
  const [shown, show] = useState<RevisionHead | null>(null);
  const revisions = useRevisions(draft.id);
  if (draft.revision === 1) return null;
  return (
    <Panel
      title={p("revisions.title")}
      aside={<span className="quiet">{p("revisions.count", { n: draft.revision })}</span>}
    >
      <Shown of={revisions} lines={3}>
        {(items) => (
          <div className="flush">
            <Table>
              <thead>
                <tr>
                  <th data-cell="title">{p("revisions.one")}</th>
                  <th>{p("revisions.saved")}</th>
                  <th>{p("revisions.who")}</th>
                  <th data-cell="plain">
                    <span className="unseen">{p("revisions.look")}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {items.map((one) => (
                  <tr key={one.revision} data-testid="revision-row">
                    <td>
                      {p("revisions.number", { n: one.revision })}{" "}
                      {one.revision === draft.revision && <span className="tag">{p("revisions.newest")}</span>}
                    </td>
                    <td>
                      <Moment at={one.at} ago />
                    </td>
                    <td>{who(one.author)}</td>
                    <td>
                      <Button
                        size="compact-xs"
                        variant="default"
                        data-testid="revision-look"
                        aria-label={p("revisions.lookAt", { n: one.revision })}
                        onClick={() => show(one)}
                      >
                        {p("revisions.look")}
                      </Button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </Table>
          </div>
        )}
      </Shown>
      {shown && (
        <Look
          draft={draft}
          of={shown}
          close={() => show(null)}
          takeUp={
            takeUp === null || shown.revision === draft.revision
              ? null
              : (source) => {
                  if (!takeUp(source)) return; // what is written here is not given up
                  tell.done(p("revisions.taken", { n: shown.revision }));
                  show(null);
                }
          }
        />
      )}
    </Panel>
  );
}

function Look({
  draft,
  of,
  takeUp,
  close,
}: {
  draft: DraftDetail;
  of: RevisionHead;
  takeUp: ((source: string) => void) | null;
  close: () => void;
}) {
  const { p } = usePlanWords();
  const who = usePersonWords();
  const newest = draft.revision;
  const [against, compare] = useState(of.revision === newest ? newest - 1 : newest);
  const revision = useRevision(draft.id, of.revision, against);
  const others = [
    ...(of.revision < newest ? [newest] : []),
    ...(of.revision > 1 && of.revision - 1 !== newest ? [of.revision - 1] : []),
  ];
  return (
    <Sheet title={p("revisions.number", { n: of.revision })} close={close}>
      <div className="stack">
        <div className="line">
          <span className="quiet">
            {who(of.author)} <Moment at={of.at} />
          </span>
          <span className="spacer" />
          {takeUp && (
            <Button
              size="xs"
              data-testid="revision-take-up"
              disabled={revision.data === undefined}
              onClick={() => takeUp(revision.data?.source ?? "")}
            >
              {p("revisions.takeUp")}
            </Button>
          )}
        </div>
        {takeUp && <span className="quiet">{p("revisions.takeUpMeans")}</span>}
        <NativeSelect
          size="xs"
          label={p("revisions.against")}
          data={others.map((n) => ({
            value: String(n),
            label: p(n === newest ? "revisions.withNewest" : "revisions.withBefore", { n }),
          }))}
          value={String(against)}
          onChange={({ currentTarget: { value } }) => compare(Number(value))}
        />
        <Shown of={revision} lines={6}>
          {(found) => (
            <>
              <Apart of={found} />
              <What of={found} kind={draft.kind} />
            </>
          )}
        </Shown>
      </div>
    </Sheet>
  );
}

function Apart({ of: { plan, compared, changed, revision, against } }: { of: Revision }) {
  const { p } = usePlanWords();
  if (plan === null || compared === null || changed === null)
    return <Empty title={p("revisions.noPlan")}>{p("revisions.noPlanWhy")}</Empty>;
  const forwards = revision <= against;
  const [before, after] = forwards ? [plan, compared] : [compared, plan];
  const [older, newer] = forwards ? [revision, against] : [against, revision];
  return (
    <div data-testid="revision-changes">
      <Differences
        before={before}
        after={after}
        heads={[p("revisions.number", { n: older }), p("revisions.number", { n: newer })]}
        diff={changed}
      />
    </div>
  );
}

/** What it says: drawn where it can be, as a table where it is one, and as it is written. */
function What({ of, kind }: { of: Revision; kind: DraftDetail["kind"] }) {
  const { p } = usePlanWords();
  const drawing = kind === "bpmn" ? of.source : (of.bpmn ?? null);
  return (
    <>
      {drawing !== null && (
        <Suspense fallback={<Loading lines={8} />}>
          <Drawing xml={drawing} label={p("draft.drawing")} most={420} />
        </Suspense>
      )}
      {of.decision && <DecisionView body={of.decision} />}
      <details open={drawing === null && of.decision === null}>
        <summary>{p("draft.text")}</summary>
        <section className="flush" tabIndex={0} aria-label={p("draft.text")}>
          <pre className="code" data-testid="revision-text" style={{ margin: 0, maxHeight: 420, overflow: "auto" }}>
            {of.source}
          </pre>
        </section>
      </details>
    </>
  );
}
