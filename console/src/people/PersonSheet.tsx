/** One person: what is kept, what may be changed, the one-time code, the open sessions. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useDepartments } from "../api/queries";
import { useCommand } from "../api/useCommand";
import { cityTime } from "../time/format";
import { Sheet } from "../ui/Sheet";
import { Shown } from "../ui/states";
import { useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { RealMoment, Sessions, StateOf } from "./parts";
import { type Account, type SessionOpen, useAccount, useRoles } from "./queries";
import { usePeopleWords } from "./words";

interface Draft {
  zh: string;
  en: string;
  department: string;
  roles: string[];
  email: string;
}

const BLANK: Draft = { zh: "", en: "", department: "", roles: [], email: "" };
const of = ({ name, department, roles, email }: Account): Draft => ({
  zh: name["zh-CN"] ?? "",
  en: name.en ?? "",
  department: department ?? "",
  roles,
  email: email ?? "",
});

/** As the city takes it. */
const body = ({ zh, en, department, roles, email }: Draft) => ({
  name: { "zh-CN": zh.trim(), en: en.trim() || zh.trim() },
  department: department === "" ? null : department,
  roles,
  email: email.trim() === "" ? null : email.trim(),
});

interface Code {
  code: string | null;
  code_until: string | null;
}

export function NewPerson({ close }: { close: (made?: string) => void }) {
  const { p, say } = usePeopleWords();
  const tell = useTell();
  const [username, setUsername] = useState("");
  const [draft, setDraft] = useState(BLANK);
  const [made, setMade] = useState<(Account & Code) | null>(null);
  const create = useCommand<Account & Code>({
    done: (account) => {
      setMade(account);
      tell.done(p("created", { name: say(account.name) }));
    },
    failed: tell.failed,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate({ path: "/api/accounts", body: { username, ...body(draft) } });
  };
  return (
    <Sheet title={p("add")} at="side" close={() => close(made?.username)}>
      {made === null ? (
        <form className="stack" onSubmit={submit}>
          <TextInput
            label={p("username")}
            required
            pattern="[a-z0-9][a-z0-9._\-]{1,59}"
            autoComplete="off"
            data-testid="person-username"
            value={username}
            onChange={({ currentTarget: { value } }) => setUsername(value)}
          />
          <Fields draft={draft} set={setDraft} />
          <Button type="submit" loading={create.isPending} data-testid="person-create">
            {p("create")}
          </Button>
        </form>
      ) : (
        <CodeOnce of={made} />
      )}
    </Sheet>
  );
}

function Fields({ draft, set, fixed }: { draft: Draft; set: (draft: Draft) => void; fixed?: boolean }) {
  const { p, say } = usePeopleWords();
  const departments = useDepartments();
  const roles = useRoles().data;
  const may = new Set(roles?.may_give ?? []);
  return (
    <>
      <TextInput
        label={p("nameZh")}
        required
        maxLength={100}
        data-testid="person-name"
        value={draft.zh}
        onChange={({ currentTarget: { value } }) => set({ ...draft, zh: value })}
      />
      <TextInput
        label={p("nameEn")}
        maxLength={100}
        value={draft.en}
        onChange={({ currentTarget: { value } }) => set({ ...draft, en: value })}
      />
      <NativeSelect
        label={p("department")}
        disabled={fixed}
        data-testid="person-department"
        data={[
          { value: "", label: p("city") },
          ...(departments.data ?? []).map(({ code, title }) => ({ value: code, label: say(title) })),
        ]}
        value={draft.department}
        onChange={({ currentTarget: { value } }) => set({ ...draft, department: value })}
      />
      <TextInput
        label={p("email")}
        type="email"
        value={draft.email}
        onChange={({ currentTarget: { value } }) => set({ ...draft, email: value })}
      />
      <fieldset className="role-list" disabled={fixed}>
        <legend>{p("rolesOf")}</legend>
        {roles?.roles.map(({ id, title, what }) => (
          <label key={id}>
            <input
              type="checkbox"
              data-testid={`person-role-${id}`}
              checked={draft.roles.includes(id)}
              disabled={!may.has(id) && !draft.roles.includes(id)}
              onChange={({ currentTarget: { checked } }) =>
                set({ ...draft, roles: checked ? [...draft.roles, id] : draft.roles.filter((role) => role !== id) })
              }
            />
            <span>
              {say(title)} <span className="quiet">{say(what)}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </>
  );
}

function CodeOnce({ of: { code, code_until } }: { of: Code }) {
  const { p } = usePeopleWords();
  const zone = useZone();
  const tell = useTell();
  if (code === null) return <p role="status">{p("codeGone")}</p>;
  return (
    <div className="stack" role="status">
      <strong>{p("code")}</strong>
      <output className="code-once" data-testid="one-time-code">
        {code}
      </output>
      {code_until !== null && (
        <span className="quiet">{p("codeUntil", { at: cityTime(code_until, zone, "minute") })}</span>
      )}
      {typeof navigator.clipboard !== "undefined" && (
        <Button
          size="xs"
          variant="default"
          onClick={() => void navigator.clipboard.writeText(code).then(() => tell.done(p("copied")), tell.failed)}
        >
          {p("copy")}
        </Button>
      )}
    </div>
  );
}

export function PersonSheet({ username, close }: { username: string; close: () => void }) {
  const { say } = usePeopleWords();
  const account = useAccount(username);
  return (
    <Sheet title={account.data ? say(account.data.name) : username} at="side" close={close}>
      <Shown of={account} lines={6}>
        {(one) => <Person key={one.id} account={one} />}
      </Shown>
    </Sheet>
  );
}

function Person({ account }: { account: Account & { sessions: SessionOpen[] } }) {
  const { p } = usePeopleWords();
  const tell = useTell();
  const [draft, setDraft] = useState(of(account));
  const [code, setCode] = useState<Code | null>(null);
  const [reason, setReason] = useState("");
  const path = `/api/accounts/${encodeURIComponent(account.username)}`;
  const save = useCommand<Account>({ done: () => tell.done(p("saved")), failed: tell.failed });
  const reset = useCommand<Code>({ done: setCode, failed: tell.failed });
  const turn = useCommand<Account>({
    done: ({ blocked_at }) => {
      setReason("");
      tell.done(p(blocked_at === null ? "unblockDone" : "blockDone"));
    },
    failed: tell.failed,
  });
  const end = useCommand<{ ended: number }>({
    done: ({ ended }) => tell.done(p("ended", { n: ended })),
    failed: tell.failed,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const { name, department, roles, email } = body(draft);
    save.mutate({ path: `${path}/change`, body: account.self ? { name, email } : { name, department, roles, email } });
  };
  return (
    <div className="stack" data-testid="person" style={{ width: "min(640px, 100%)" }}>
      <dl className="pairs">
        <dt>{p("username")}</dt>
        <dd className="mono">{account.username}</dd>
        <dt>{p("state")}</dt>
        <dd>
          <StateOf account={account} /> {account.blocked_at !== null && <RealMoment at={account.blocked_at} />}
        </dd>
        <dt>{p("createdAt")}</dt>
        <dd>
          <RealMoment at={account.created_at} />
        </dd>
        <dt>{p("lastSignIn")}</dt>
        <dd>{account.last_sign_in_at === null ? p("never") : <RealMoment at={account.last_sign_in_at} />}</dd>
      </dl>
      {account.self && <p className="quiet">{p("self")}</p>}
      {!account.manageable && <p className="quiet">{p("notYours")}</p>}
      {account.manageable && (
        <>
          <form className="stack" onSubmit={submit}>
            <Fields draft={draft} set={setDraft} fixed={account.self} />
            <Button type="submit" size="xs" loading={save.isPending} data-testid="person-save">
              {p("save")}
            </Button>
          </form>
          {!account.self && (
            <>
              <h3>{p("reset")}</h3>
              {code === null ? (
                <>
                  <span className="quiet">{p("resetWhy")}</span>
                  <Button
                    size="xs"
                    variant="default"
                    loading={reset.isPending}
                    data-testid="person-reset"
                    onClick={() => reset.mutate({ path: `${path}/reset` })}
                  >
                    {p("reset")}
                  </Button>
                </>
              ) : (
                <CodeOnce of={code} />
              )}
              <h3>{p(account.blocked_at === null ? "block" : "unblock")}</h3>
              <TextInput
                size="xs"
                label={p("blockWhy")}
                value={reason}
                data-testid="person-reason"
                onChange={({ currentTarget: { value } }) => setReason(value)}
              />
              <Button
                size="xs"
                variant="default"
                loading={turn.isPending}
                data-testid={account.blocked_at === null ? "person-block" : "person-unblock"}
                onClick={() =>
                  turn.mutate({
                    path: `${path}/${account.blocked_at === null ? "block" : "unblock"}`,
                    body: { reason },
                  })
                }
              >
                {p(account.blocked_at === null ? "block" : "unblock")}
              </Button>
            </>
          )}
          <h3>{p("sessions")}</h3>
          <Sessions
            of={account.sessions}
            busy={end.isPending}
            end={(one) => end.mutate({ path: `${path}/sessions/end`, body: { session: one.id } })}
          />
          {account.sessions.length > 1 && (
            <Button
              size="xs"
              variant="default"
              loading={end.isPending}
              onClick={() => end.mutate({ path: `${path}/sessions/end` })}
            >
              {p("endAll")}
            </Button>
          )}
        </>
      )}
    </div>
  );
}
