/** Leads from an identifier (a site number, a plate) to the page of the subject that it names. */

import { Redirect, useParams } from "wouter";
import { Panel, Shown } from "../ui/states";
import { useCalledSubject } from "./queries";

export default function SubjectOf() {
  const { by = "", value = "" } = useParams<{ by: string; value: string }>();
  const found = useCalledSubject(by, decodeURIComponent(value));
  return (
    <div className="page">
      <Panel>
        <Shown of={found} lines={6}>
          {({ id }) => <Redirect to={`/subjects/${encodeURIComponent(id)}`} replace />}
        </Shown>
      </Panel>
    </div>
  );
}
