/** A page as an application declares it. What is chosen stands in the address. */

import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link as Anchor, useLocation, useParams, useSearch } from "wouter";
import { Panel, Shown } from "../ui/states";
import { Parameters } from "./Parameters";
import { type Given, givenOf, usePage, usePages } from "./queries";
import { Past, Sections } from "./Sections";
import { useDeclaredWords } from "./words";

export default function AppPage() {
  const { id = "" } = useParams<{ id: string }>();
  const search = useSearch();
  const [, go] = useLocation();
  const client = useQueryClient();
  const { d, say } = useDeclaredWords();
  const given = givenOf(search);
  const page = usePage(id, given);
  const choose = (next: Given) => {
    const said = new URLSearchParams(next).toString();
    go(`/app/${encodeURIComponent(id)}${said ? `?${said}` : ""}`);
  };
  const { at, ...rest } = given;
  return (
    <div className="page declared" data-page={id}>
      <Shown of={page} lines={8}>
        {(one) => (
          <>
            <div className="head">
              <div>
                <div className="crumbs">
                  <Anchor href="/app">{d("title")}</Anchor> / {say(one.app_title)}
                </div>
                <h1>{say(one.title)}</h1>
                {one.about && <p className="quiet declared-about">{say(one.about)}</p>}
              </div>
              <div className="line no-print">
                <Button
                  size="xs"
                  variant="default"
                  data-testid="page-refresh"
                  onClick={() => void client.invalidateQueries({ queryKey: ["app"] })}
                >
                  {d("refresh")}
                </Button>
                <Button size="xs" variant="default" onClick={() => window.print()}>
                  {d("print")}
                </Button>
              </div>
            </div>
            <Siblings app={one.app} at={one.id} />
            {at && <Past at={at} back={() => choose(rest)} />}
            <Parameters page={one} given={given} choose={choose} />
            <Sections page={one} given={given} />
          </>
        )}
      </Shown>
      {page.data === undefined && page.error !== null && (
        <Panel>
          <p className="declared-note">
            <Anchor href="/app">{d("title")}</Anchor>
          </p>
        </Panel>
      )}
    </div>
  );
}

/** The other pages of the same application. */
function Siblings({ app, at }: { app: string; at: string }) {
  const { d, say } = useDeclaredWords();
  const pages = usePages().data?.filter((one) => one.app === app) ?? [];
  if (pages.length < 2) return null;
  return (
    <nav className="tabs declared-tabs no-print" aria-label={d("tabs.label")}>
      {pages.map(({ id, title }) => (
        <Anchor key={id} href={`/app/${encodeURIComponent(id)}`} aria-current={id === at ? "page" : undefined}>
          {say(title)}
        </Anchor>
      ))}
    </nav>
  );
}
