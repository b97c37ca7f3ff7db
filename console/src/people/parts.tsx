import { Button } from "@mantine/core";
import { useCity } from "../api/queries";
import type { Iso } from "../api/types";
import { Empty } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import type { Account, Roles, SessionOpen } from "./queries";
import { usePeopleWords } from "./words";

/**
 * A moment of the real world: people sign in, and codes run out, by the clock on the wall, also where the city itself
 * lives in another time; there it is said.
 */
export function RealMoment({ at }: { at: Iso | null }) {
  const { p } = usePeopleWords();
  const virtual = useCity().data?.clock.kind === "virtual";
  return (
    <>
      <Moment at={at} />
      {virtual && at !== null && <span className="quiet"> {p("real")}</span>}
    </>
  );
}

/** What a browser says it is, in few words; the whole of it stays in the title. */
export function browserOf(agent: string): string {
  const named =
    /(Edg|OPR|Firefox|QQBrowser|MicroMessenger)\/(\d+)/.exec(agent) ??
    /(?:Headless)?(Chrome)\/(\d+)/.exec(agent) ??
    (/Safari\//.test(agent) ? /(?:Version)\/(\d+)/.exec(agent) : null);
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera", MicroMessenger: "WeChat", QQBrowser: "QQ" };
  const system = /(Android|iPhone|iPad|Windows|Macintosh|HarmonyOS|Linux)/.exec(agent)?.[1];
  if (named === null) return agent;
  const browser = named[2] === undefined ? `Safari ${named[1]}` : `${names[named[1] ?? ""] ?? named[1]} ${named[2]}`;
  return [browser, system === "Macintosh" ? "macOS" : system].filter(Boolean).join(" · ");
}

export function StateOf({ account }: { account: Account }) {
  const { p } = usePeopleWords();
  const state = account.blocked_at !== null ? "blocked" : account.must_change ? "must_change" : "active";
  return (
    <span className="tag" data-tone={state === "blocked" ? "late" : undefined} data-state={state}>
      {p(state)}
    </span>
  );
}

export function Sessions({
  of,
  end,
  busy,
}: {
  of: SessionOpen[];
  end?: (session: SessionOpen) => void;
  busy?: boolean;
}) {
  const { p } = usePeopleWords();
  if (of.length === 0) return <Empty title={p("noSessions")} />;
  return (
    <section className="flush" style={{ overflow: "auto" }} tabIndex={0} aria-label={p("sessions")}>
      <Table data-testid="sessions">
        <thead>
          <tr>
            <th>{p("agent")}</th>
            <th>{p("opened")}</th>
            <th>{p("seen")}</th>
            <th>{p("expires")}</th>
            {end && <th />}
          </tr>
        </thead>
        <tbody>
          {of.map((one) => (
            <tr key={one.id}>
              <td style={{ maxWidth: 260, overflowWrap: "anywhere" }}>
                <span title={one.agent ?? undefined}>{one.agent === null ? "—" : browserOf(one.agent)}</span>{" "}
                {one.current && <span className="tag">{p("here")}</span>}
              </td>
              <td>
                <RealMoment at={one.opened_at} />
              </td>
              <td>
                <RealMoment at={one.seen_at} />
              </td>
              <td>
                <RealMoment at={one.expires_at} />
              </td>
              {end && (
                <td className="right">
                  {!one.current && (
                    <Button
                      size="xs"
                      variant="default"
                      disabled={busy}
                      data-testid="session-end"
                      onClick={() => end(one)}
                    >
                      {p("end")}
                    </Button>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}

/** What each role grants: one row a permission, one column a role. */
export function Matrix({ of: { roles, permissions }, only }: { of: Roles; only?: string[] }) {
  const { p, say } = usePeopleWords();
  const shown = only ? roles.filter(({ id }) => only.includes(id)) : roles;
  const granted = permissions.filter(({ id }) => !only || shown.some(({ grants }) => grants[id] !== undefined));
  return (
    <section className="long-scroll" tabIndex={0} aria-label={p("matrix")}>
      <table className="table" data-testid="role-matrix">
        <thead>
          <tr>
            <th>{p("permission")}</th>
            {shown.map(({ id, title, what }) => (
              <th key={id} title={say(what)}>
                {say(title)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {granted.map(({ id, title }) => (
            <tr key={id}>
              <td>
                {say(title)} <span className="quiet mono">{id}</span>
              </td>
              {shown.map(({ id: role, grants }) => (
                <td key={role}>
                  {grants[id] === "city" ? p("whole") : grants[id] === "department" ? p("own") : p("no")}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
