/** A dataset by its title, with the way to it; the name that programs use stands in the tooltip. */

import { Fragment } from "react";
import { Link } from "wouter";
import { useDatasetNames } from "../api/queries";
import { useWords } from "../i18n";

/** Titles of datasets in the reader's language; several names with commas between become several titles. */
export function useDatasetTitle(): (names: string) => string {
  const { say, t } = useWords();
  const known = useDatasetNames().data;
  return (names) =>
    split(names)
      .map((name) => say(known?.get(name)?.title) || name)
      .join(t("listComma"));
}

const split = (names: string) => names.split(",").map((name) => name.trim());

export function DatasetName({ name: names, owner = false }: { name: string; owner?: boolean }) {
  const { t, say } = useWords();
  const known = useDatasetNames().data;
  return split(names).map((name, at) => {
    const found = known?.get(name);
    return (
      <Fragment key={name}>
        {at > 0 && t("listComma")}
        {found ? (
          <>
            <Link
              href={`/catalogue/${encodeURIComponent(name)}`}
              title={name}
              onClick={(event) => event.stopPropagation()}
            >
              {say(found.title)}
            </Link>
            {owner && <span className="quiet"> · {say(found.owner_title)}</span>}
          </>
        ) : (
          <span className="mono">{name}</span>
        )}
      </Fragment>
    );
  });
}
