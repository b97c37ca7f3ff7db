/** Leads from an identifier (a site number, a plate) to the page of the subject that it names. */

import { Link, Redirect, useParams } from "wouter";
import { Panel, Shown } from "../ui/states";
import { useCalledSubject } from "./queries";
import { useDeclaredWords } from "./words";

export default function SubjectOf() {
  const { d } = useDeclaredWords();
  const { which = "" } = useParams<{ which: string }>();
  const [by = "", value = ""] = which.split("=", 2);
  const found = useCalledSubject(decodeURIComponent(by), decodeURIComponent(value));
  return (
    <div className="page">
      <Panel>
        <Shown of={found} lines={6}>
          {({ id }) => <Redirect to={`/subjects/${encodeURIComponent(id)}`} replace />}
        </Shown>
        {found.error && (
          <p className="body">
            <Link href="/subjects">{d("subjectOf.find")}</Link>
          </p>
        )}
      </Panel>
    </div>
  );
}
