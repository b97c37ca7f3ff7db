/** Who may sign in, and what each role may do. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { useDepartments, useMay } from "../api/queries";
import { Allowed } from "../ui/Allowed";
import { LongTable } from "../ui/LongTable";
import { Empty, Panel, Shown } from "../ui/states";
import { NewPerson, PersonSheet } from "./PersonSheet";
import { Programs } from "./Programs";
import { Matrix, RealMoment, StateOf } from "./parts";
import { useAccounts, useRoles } from "./queries";
import { usePeopleWords } from "./words";

const VIEWS = ["users", "roles", "programs"] as const;
const STATES = ["active", "blocked", "must_change"] as const;

export default function People() {
  const { p } = usePeopleWords();
  const [params, setParams] = useSearchParams();
  const [adding, setAdding] = useState(false);
  const roles = useRoles();
  const may = useMay("user.manage");
  const view = VIEWS.find((one) => one === params.get("view")) ?? "users";
  const whole = (roles.data?.may_give.length ?? 0) > 1; // who keeps the accounts of the city also keeps programs
  const person = params.get("person");
  const set = (name: string, value: string) =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === "") after.delete(name);
        else after.set(name, value);
        return after;
      },
      { replace: name !== "person" },
    );
  return (
    <div className="page">
      <div className="head">
        <div className="line">
          <h1 style={{ fontSize: 20, margin: 0 }}>{p("title")}</h1>
          <nav className="tabs kept-tabs" aria-label={p("title")}>
            <Link href="/people" aria-current={view === "users" ? "page" : undefined}>
              {p("users")}
            </Link>
            <Link href="/people?view=roles" aria-current={view === "roles" ? "page" : undefined}>
              {p("roles")}
            </Link>
            {whole && (
              <Link href="/people?view=programs" aria-current={view === "programs" ? "page" : undefined}>
                {p("programs")}
              </Link>
            )}
          </nav>
        </div>
        {view === "users" && may && (
          <Button size="xs" data-testid="person-add" onClick={() => setAdding(true)}>
            {p("add")}
          </Button>
        )}
      </div>
      {view === "roles" ? (
        <Panel title={p("matrix")}>
          <Shown of={roles} lines={8}>
            {(known) => (
              <>
                <dl className="pairs body">
                  {known.roles.map(({ id, title, what }) => (
                    <RoleLine key={id} title={title} what={what} />
                  ))}
                </dl>
                <Matrix of={known} />
              </>
            )}
          </Shown>
        </Panel>
      ) : view === "programs" ? (
        <Programs />
      ) : (
        <Allowed permission="user.manage">
          <Users set={set} />
        </Allowed>
      )}
      {person !== null && <PersonSheet username={person} close={() => set("person", "")} />}
      {adding && (
        <NewPerson
          close={(made) => {
            setAdding(false);
            if (made) set("q", made);
          }}
        />
      )}
    </div>
  );
}

function RoleLine({ title, what }: { title: Record<string, string>; what: Record<string, string> }) {
  const { say } = usePeopleWords();
  return (
    <>
      <dt>{say(title)}</dt>
      <dd>{say(what)}</dd>
    </>
  );
}

function Users({ set }: { set: (name: string, value: string) => void }) {
  const { p, say, number } = usePeopleWords();
  const [params] = useSearchParams();
  const departments = useDepartments();
  const roles = useRoles().data?.roles ?? [];
  const filter = {
    q: params.get("q") ?? "",
    department: params.get("department") ?? "",
    role: params.get("role") ?? "",
    state: STATES.find((one) => one === params.get("state")) ?? "",
  };
  const accounts = useAccounts(filter);
  const items = accounts.data?.pages.flatMap((page) => page.items) ?? [];
  const counts = accounts.data?.pages[0]?.counts;
  const titles = new Map(roles.map(({ id, title }) => [id, title]));
  return (
    <Panel
      title={p("count", { n: number(accounts.data?.pages[0]?.total ?? null, 0) })}
      aside={
        counts && (
          <span className="line quiet">
            {STATES.map((one) => (
              <span key={one}>
                {p(one)} {number(counts[one], 0)}
              </span>
            ))}
          </span>
        )
      }
    >
      <div className="body filters">
        <TextInput
          size="xs"
          w={250}
          aria-label={p("find")}
          placeholder={p("find")}
          data-testid="people-find"
          value={filter.q}
          onChange={({ currentTarget: { value } }) => set("q", value)}
        />
        <NativeSelect
          size="xs"
          aria-label={p("department")}
          data={[
            { value: "", label: `${p("department")}: ${p("all")}` },
            ...(departments.data ?? []).map(({ code, title }) => ({ value: code, label: say(title) })),
          ]}
          value={filter.department}
          onChange={({ currentTarget: { value } }) => set("department", value)}
        />
        <NativeSelect
          size="xs"
          aria-label={p("role")}
          data-testid="people-role"
          data={[
            { value: "", label: `${p("role")}: ${p("all")}` },
            ...roles.map(({ id, title }) => ({ value: id, label: say(title) })),
          ]}
          value={filter.role}
          onChange={({ currentTarget: { value } }) => set("role", value)}
        />
        <NativeSelect
          size="xs"
          aria-label={p("state")}
          data={[
            { value: "", label: `${p("state")}: ${p("all")}` },
            ...STATES.map((one) => ({ value: one, label: p(one) })),
          ]}
          value={filter.state}
          onChange={({ currentTarget: { value } }) => set("state", value)}
        />
      </div>
      <Shown of={accounts} lines={8}>
        {() =>
          items.length === 0 ? (
            <Empty title={p("none")}>{p("noneWhy")}</Empty>
          ) : (
            <LongTable
              label={p("users")}
              test="people"
              columns={5}
              count={items.length}
              pages={accounts}
              head={
                <tr>
                  <th>{p("name")}</th>
                  <th>{p("department")}</th>
                  <th>{p("rolesOf")}</th>
                  <th data-cell="plain">{p("state")}</th>
                  <th>{p("lastSignIn")}</th>
                </tr>
              }
              row={(index, props) => {
                const one = items[index];
                if (one === undefined) return null;
                return (
                  <tr key={one.id} {...props} data-testid="person-row" data-person={one.username}>
                    <td>
                      <button type="button" className="link" onClick={() => set("person", one.username)}>
                        {say(one.name)}
                      </button>{" "}
                      <span className="quiet mono">{one.username}</span>
                    </td>
                    <td>{one.department_title ? say(one.department_title) : (one.department ?? p("city"))}</td>
                    <td>{one.roles.map((role) => say(titles.get(role)) || role).join(" · ") || "—"}</td>
                    <td>
                      <StateOf account={one} />
                    </td>
                    <td>
                      {one.last_sign_in_at === null ? (
                        <span className="quiet">{p("never")}</span>
                      ) : (
                        <RealMoment at={one.last_sign_in_at} />
                      )}
                    </td>
                  </tr>
                );
              }}
            />
          )
        }
      </Shown>
    </Panel>
  );
}
