/** The field officer's page: a phone, perhaps without a signal, at four in the morning. Neither map nor charts. */

import { Button, UnstyledButton, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState, useSyncExternalStore } from "react";
import { Link, Route, Switch } from "wouter";
import { Problem } from "../api/client";
import { forgetAll } from "../api/kept";
import type { Session } from "../api/types";
import { cityTime } from "../time/format";
import { Mark, MoonIcon, SunIcon } from "../ui/icons";
import { Empty, Loading, Panel } from "../ui/states";
import { openBox } from "./box";
import { FieldContext, type FieldState, useField } from "./context";
import { FieldList } from "./FieldList";
import { FieldTask } from "./FieldTask";
import "./field.css";
import { cityNow } from "./clock";
import { askWho, leave, noteWaiting, remembered, waitingOf } from "./person";
import { Sync, waitingIn } from "./sync";
import type { Actor } from "./types";
import { useFieldWords } from "./words";

const Login = lazy(() => import("../pages/Login"));

/** How long the page waits for the city before it opens with what the phone has. */
const PATIENCE_MS = 5_000;
const EVERY_MS = 20_000;

export default function FieldApp() {
  const { f } = useFieldWords();
  const client = useQueryClient();
  useEffect(() => {
    document.title = f("field.title");
  }, [f]);
  useEffect(keepPage, []);
  // The same answer as everywhere (see queries.ts), asked with less patience: there may be no signal.
  const session = useQuery<Session | null>({
    queryKey: ["session"],
    queryFn: () => askWho(PATIENCE_MS),
    networkMode: "always",
    retry: false,
    staleTime: 60_000,
    refetchOnWindowFocus: false,
  });
  const who = remembered();
  const unreachable = session.error instanceof Problem && (session.error.status === 0 || session.error.status >= 500);
  if (session.data === null || session.data?.over) return <SignIn who={who?.actor ?? null} />;
  const actor = session.data?.actor ?? (unreachable && who !== null && !who.over ? who.actor : null);
  if (actor !== null)
    return <Owned key={actor.id} actor={actor} ended={() => client.setQueryData(["session"], null)} />;
  if (unreachable && who?.over) return <SignIn who={who.actor} />;
  return (
    <main className="field field-alone">
      <Panel>
        {session.isFetching ? (
          <Loading />
        ) : (
          <Empty title={f("field.first")}>
            {f("field.firstWhy")}
            <Button size="md" variant="default" onClick={() => void session.refetch()}>
              {f("link.retry")}
            </Button>
          </Empty>
        )}
      </Panel>
    </main>
  );
}

/** Has the page and its parts kept by the service worker, as they are now. */
function keepPage() {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  void navigator.serviceWorker
    .register("/sw.js", { scope: "/field" })
    .then(() => navigator.serviceWorker.ready)
    .then(({ active }) => active?.postMessage("refresh"))
    .catch((error: unknown) => console.warn("the page cannot be kept for later", error));
}

function SignIn({ who }: { who: Actor | null }) {
  const { f, say } = useFieldWords();
  const n = who === null ? 0 : waitingOf(who.id);
  return (
    <>
      {who !== null && (
        <div className="banner" role="status" data-testid="field-over">
          {f(n > 0 ? "field.over" : "field.overNone", { name: say(who.name), n })}
        </div>
      )}
      <Suspense fallback={<Loading />}>
        <Login />
      </Suspense>
    </>
  );
}

/** Everything below belongs to one person; another one gets another store. */
function Owned({ actor, ended }: { actor: Actor; ended: () => void }) {
  const { f } = useFieldWords();
  const [sync, setSync] = useState<Sync | null>(null);
  const [broken, setBroken] = useState(false);
  useEffect(() => {
    let gone = false;
    let made: Sync | null = null;
    openBox(actor.id)
      .then(async (box) => {
        const kept = await box.read();
        if (gone) return box.close();
        made = new Sync(actor, box, kept);
        setSync(made);
      })
      .catch(() => setBroken(true));
    return () => {
      gone = true;
      made?.close();
    };
  }, [actor]);
  if (broken)
    return (
      <main className="field field-alone">
        <Panel>
          <Empty title={f("field.noStore")} />
        </Panel>
      </main>
    );
  return sync === null ? <Loading /> : <Inside sync={sync} ended={ended} />;
}

function Inside({ sync, ended }: { sync: Sync; ended: () => void }) {
  const { f, say } = useFieldWords();
  const shown = useSyncExternalStore(sync.subscribe, sync.get);
  const [now, setNow] = useState(Date.now);
  const { kept, link } = shown;
  const waits = waitingIn(kept);

  useEffect(() => {
    const run = () => void sync.run();
    run();
    const seen = () => document.visibilityState === "visible" && run();
    const every = setInterval(seen, EVERY_MS);
    const clock = setInterval(() => setNow(Date.now()), 1_000);
    window.addEventListener("online", run);
    window.addEventListener("offline", run);
    document.addEventListener("visibilitychange", seen);
    void navigator.storage?.persist?.().catch(() => false);
    return () => {
      clearInterval(every);
      clearInterval(clock);
      window.removeEventListener("online", run);
      window.removeEventListener("offline", run);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [sync]);
  useEffect(() => noteWaiting(sync.actor.id, waits), [sync, waits]);
  useEffect(() => {
    if (link === "over") ended();
  }, [link, ended]);

  const anchor = kept.meta.anchor;
  const zone = anchor?.zone ?? "Asia/Shanghai";
  const state: FieldState = { sync, shown, now: cityNow(anchor, now), zone };
  if (link === "over") return <Loading />; // the next picture is the log-in
  if (link === "stranger")
    return (
      <main className="field field-alone" data-testid="field-stranger">
        <Panel>
          <Empty title={f("field.stranger")}>
            {f("field.strangerWhy", { name: say(sync.actor.name) })}
            <Button size="md" onClick={() => window.location.assign("/field")}>
              {f("link.retry")}
            </Button>
          </Empty>
        </Panel>
      </main>
    );
  return (
    <FieldContext value={state}>
      <div className="field">
        <header className="field-head">
          <Link href="/field" className="brand">
            <Mark />
            <span>{f("field.title")}</span>
          </Link>
          <span className="spacer" />
          <Menu actor={sync.actor} waits={waits} />
        </header>
        <LinkLine waits={waits} />
        <main id="main" className="field-main">
          <Switch>
            <Route path="/field">
              <FieldList />
            </Route>
            <Route path="/field/:id">{({ id }) => <FieldTask key={id} id={decodeURIComponent(id)} />}</Route>
          </Switch>
        </main>
      </div>
    </FieldContext>
  );
}

/** "Offline since 14:05, 3 waiting": always there, never in the way. */
function LinkLine({ waits }: { waits: number }) {
  const { f } = useFieldWords();
  const { sync, shown, zone } = useField();
  const { link, trouble, kept } = shown;
  const { offlineSince, syncedAt, anchor } = kept.meta;
  const at = (phone: number) => {
    const then = cityNow(anchor, phone);
    const today = cityTime(cityNow(anchor, Date.now()), zone, "date") === cityTime(then, zone, "date");
    return cityTime(then, zone, today ? "hour" : "short");
  };
  const offline = link === "offline";
  const first = offline
    ? f("link.offline", { time: at(offlineSince ?? Date.now()) })
    : link === "working" || syncedAt === null
      ? f("link.working")
      : f("link.synced", { time: at(syncedAt) });
  return (
    <div
      className="field-link"
      data-tone={offline ? "offline" : trouble ? "trouble" : waits > 0 ? "waits" : undefined}
      data-testid="field-link"
      data-link={link}
      data-waits={waits}
    >
      <span role="status">
        <strong>{first}</strong>
        {waits > 0 ? ` · ${f("link.waits", { n: waits })}` : offline ? ` · ${f("link.nothing")}` : ""}
        {offline && syncedAt !== null && ` · ${f("link.asOf", { time: at(syncedAt) })}`}
      </span>
      {(offline || trouble !== null) && (
        <button type="button" className="link" data-testid="field-retry" onClick={() => void sync.run()}>
          {f("link.retry")}
        </button>
      )}
      {trouble !== null && trouble.code !== "broken" && (
        <span className="late">{f("link.trouble", { detail: trouble.detail })}</span>
      )}
      {!window.isSecureContext && <span className="late">{f("field.insecure")}</span>}
    </div>
  );
}

function Menu({ actor, waits }: { actor: Actor; waits: number }) {
  const { f, t, say, language, setLanguage } = useFieldWords();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const other = language === "zh-CN" ? "en" : "zh-CN";
  const out = async () => {
    if (waits > 0 && !window.confirm(f("field.leaveWaiting", { n: waits }))) return;
    await leave(actor.id);
    forgetAll();
    window.location.assign("/field"); // a new page, so that nothing of this person stays in memory
  };
  return (
    <>
      <UnstyledButton
        className="thumb"
        data-testid="theme-switch"
        aria-label={t(scheme === "dark" ? "theme.light" : "theme.dark")}
        onClick={() => setColorScheme(scheme === "dark" ? "light" : "dark")}
      >
        {scheme === "dark" ? <SunIcon /> : <MoonIcon />}
      </UnstyledButton>
      <UnstyledButton className="thumb" data-testid="lang-switch" lang={other} onClick={() => setLanguage(other)}>
        {other === "en" ? "English" : "中文"}
      </UnstyledButton>
      <button
        type="button"
        className="thumb user-name-field"
        popoverTarget="field-menu"
        data-testid="user-menu"
        aria-label={`${say(actor.name)} · ${f("field.menu")}`}
      >
        {say(actor.name)}
      </button>
      <div id="field-menu" popover="auto" className="user-menu field-menu">
        <strong>{say(actor.name)}</strong>
        {actor.department_title && <span className="quiet">{say(actor.department_title)}</span>}
        <a className="thumb" href="/tasks">
          {f("field.desk")}
        </a>
        <button type="button" className="link thumb" data-testid="logout" onClick={() => void out()}>
          {f("field.leave")}
        </button>
      </div>
    </>
  );
}
