/** A declared page as a tab on the page of a subject: what it is about is known, the rest is chosen as on the page itself. */

import { useLocation, useSearch } from "wouter";
import { Shown } from "../ui/states";
import { Parameters } from "./Parameters";
import { type Given, givenOf, usePage } from "./queries";
import { Past, Sections } from "./Sections";

export default function SubjectTab({ subject, page: id }: { subject: string; page: string }) {
  const [, go] = useLocation();
  const given: Given = { ...givenOf(useSearch()), subject };
  const page = usePage(id, given);
  const choose = ({ subject: _, ...next }: Given) =>
    go(`/subjects/${encodeURIComponent(subject)}?${new URLSearchParams({ tab: id, ...next })}`);
  const { at, ...rest } = given;
  return (
    <div className="declared declared-tab" data-page={id}>
      <Shown of={page} lines={8}>
        {(one) => {
          const asked = { ...one, parameters: one.parameters.filter(({ name }) => name !== "subject") };
          return (
            <>
              {at && <Past at={at} back={() => choose(rest)} />}
              <Parameters page={asked} given={given} choose={choose} />
              <Sections page={asked} given={given} />
            </>
          );
        }}
      </Shown>
    </div>
  );
}
