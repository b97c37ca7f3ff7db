/** The frame of every page: whose city, what time it is there, where one can go, who one is. */

import { UnstyledButton, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useRef } from "react";
import { Link, useLocation } from "wouter";
import { AlarmIcon } from "../alarms/icon";
import { forgetAll } from "../api/kept";
import type { City, Session } from "../api/types";
import { leave as signOut, waitingOf } from "../field/person";
import { HandoverBanner } from "../handover/Banner";
import { type Key, useWords } from "../i18n";
import { en } from "../i18n/en";
import { zhCN } from "../i18n/zh-CN";
import { InboxLink } from "../inbox/InboxLink";
import { useMyJobs } from "../jobs/useMine";
import { useClock, useHeard, useLinkState } from "../live/LiveProvider";
import { PaletteButton } from "../palette/PaletteButton";
import { SubjectIcon } from "../subjects/icon";
import { cityTime } from "../time/format";
import {
  AppIcon,
  CaseIcon,
  CommandIcon,
  HomeIcon,
  IncidentIcon,
  Mark,
  MatterIcon,
  MoonIcon,
  PlanIcon,
  ScoreIcon,
  SourceIcon,
  SunIcon,
  TaskIcon,
  UserIcon,
  WallIcon,
} from "./icons";
import { Nav, useClosed } from "./Nav";

interface Place {
  path: string;
  also: string | RegExp;
  title: Key;
  permission: string;
  icon: () => ReactNode;
}

const PLACES: Place[] = [
  { path: "/command", also: "/alerts", title: "nav.command", permission: "alert.read", icon: CommandIcon },
  { path: "/matters", also: "/matters", title: "nav.matters", permission: "report.read", icon: MatterIcon },
  { path: "/incidents", also: "/incidents", title: "nav.incidents", permission: "incident.read", icon: IncidentIcon },
  { path: "/tasks", also: "/tasks", title: "nav.tasks", permission: "task.read", icon: TaskIcon },
  { path: "/scores", also: "/scores", title: "nav.scores", permission: "score.read", icon: ScoreIcon },
  { path: "/plans", also: "/plans", title: "nav.plans", permission: "plan.read", icon: PlanIcon },
  { path: "/cases", also: "/clauses", title: "nav.cases", permission: "case.read", icon: CaseIcon },
  {
    path: "/flow",
    also: /^\/(sources|deliveries|quarantine|catalogue)/,
    title: "nav.flow",
    permission: "source.read",
    icon: SourceIcon,
  },
  { path: "/subjects", also: "/subjects", title: "nav.subjects", permission: "subject.read", icon: SubjectIcon },
  { path: "/app", also: "/app", title: "nav.apps", permission: "layer.read", icon: AppIcon },
  { path: "/alarms", also: "/alarms", title: "nav.alarms", permission: "alert.read", icon: AlarmIcon },
  { path: "/duty", also: "/handover", title: "nav.duty", permission: "duty.read", icon: UserIcon },
  // a page without the frame: it is put up on a screen of its own (docs/how-to/put-up-the-wall.md)
  { path: "/wall", also: "/wall", title: "nav.wall", permission: "layer.read", icon: WallIcon },
];

/** Pages that keep the system itself: reached from one's own menu and by the palette. */
const KEEPING = [
  { path: "/detectors", title: "nav.detectors", permission: "alert.read" },
  { path: "/audit", title: "nav.audit", permission: "event.read" },
  { path: "/people", title: "nav.people", permission: "user.manage" },
  { path: "/outbox", title: "nav.outbox", permission: "outbox.manage" },
] as const;

const belongs = (location: string, also: string | RegExp) =>
  typeof also === "string" ? location.startsWith(also) : also.test(location);

const may = (session: Session, permission: string) => session.actor.permissions.includes(permission);

/** The page of one's own department, for whoever belongs to one. */
const ownPage = ({ actor: { department } }: Session): Place | null => {
  if (department === null) return null;
  const path = `/department/${encodeURIComponent(department)}`;
  return { path, also: path, title: "nav.home", permission: "", icon: HomeIcon };
};

/** Where one may go, the own department's page first. */
const placesOf = (session: Session): Place[] => {
  const own = ownPage(session);
  return [...(own === null ? [] : [own]), ...PLACES.filter(({ permission }) => may(session, permission))];
};

/** A clerk's day begins with the page of the own department, everybody else's with the first page they may see. */
export const home = (session: Session) =>
  session.actor.roles.includes("clerk")
    ? (ownPage(session)?.path ?? "/tasks")
    : (PLACES.find(({ permission }) => may(session, permission))?.path ?? "/tasks");

export function Shell({ session, city, children }: { session: Session; city: City; children: ReactNode }) {
  const { t, say } = useWords();
  const [location] = useLocation();
  return (
    <div className="shell">
      <div>
        <a className="skip" href="#main">
          {t("nav.skip")}
        </a>
        <header className="header">
          <Link href="/" className="brand">
            <Mark />
            <span>{say(city.title)}</span>
          </Link>
          <Nav
            entries={placesOf(session).map(({ path, also, title, icon }) => ({
              path,
              icon,
              title: t(title),
              current: location.startsWith(path) || belongs(location, also),
            }))}
          />
          <CityClock city={city} />
          <Find session={session} />
          <InboxLink current={location === "/inbox"} />
          <Switches />
          <User session={session} />
        </header>
      </div>
      <aside aria-label={t("nav.notices")}>
        {city.notice && <div className="banner quiet">{say(city.notice)}</div>}
        <LinkBanner zone={city.zone} />
        <HandoverBanner />
        <Heard />
      </aside>
      <main id="main" className="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

/** The palette over everything; pages one may go to are known here, everything else is asked of the city. */
function Find({ session }: { session: Session }) {
  const { t } = useWords();
  const more: Pick<Place, "path" | "title">[] = may(session, "handover.read")
    ? [{ path: "/handover", title: "nav.handover" }]
    : [];
  const pages = [...placesOf(session), ...more].map(({ path, title }) => ({
    path,
    title: { "zh-CN": zhCN[title], en: en[title] },
  }));
  return <PaletteButton person={session.actor.id} pages={pages} label={t("find.open")} />;
}

function CityClock({ city }: { city: City }) {
  const { t, number } = useWords();
  const { now, playing } = useClock();
  const speed = city.clock.speed;
  return (
    <span className="clock" title={t("clock.zone", { zone: city.zone })}>
      <time dateTime={new Date(now).toISOString()} data-testid="city-clock">
        {cityTime(now, city.zone, "full")}
      </time>
      {city.simulated && (
        <span className="tag">
          {city.clock.kind === "virtual" && speed
            ? t("clock.simulatedAt", { speed: number(speed, 0) })
            : t("clock.simulated")}
        </span>
      )}
      {!playing && <span className="tag">{t("clock.paused")}</span>}
    </span>
  );
}

export function Switches() {
  const { t, language, setLanguage } = useWords();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const other = language === "zh-CN" ? "en" : "zh-CN";
  return (
    <span className="line" style={{ flexWrap: "nowrap", gap: 4 }}>
      <UnstyledButton
        data-testid="lang-switch"
        lang={other}
        onClick={() => setLanguage(other)}
        style={{ fontSize: 13, padding: "4px 8px", whiteSpace: "nowrap" }}
      >
        {other === "en" ? "English" : "中文"}
      </UnstyledButton>
      <UnstyledButton
        data-testid="theme-switch"
        aria-label={t(scheme === "dark" ? "theme.light" : "theme.dark")}
        title={t(scheme === "dark" ? "theme.light" : "theme.dark")}
        onClick={() => setColorScheme(scheme === "dark" ? "light" : "dark")}
        style={{ display: "flex", padding: 6 }}
      >
        {scheme === "dark" ? <SunIcon /> : <MoonIcon />}
      </UnstyledButton>
    </span>
  );
}

function User({ session }: { session: Session }) {
  const { t, say } = useWords();
  const { actor } = session;
  const [location] = useLocation();
  const menu = useRef<HTMLDivElement>(null);
  useClosed(menu, location);
  const jobs = useMyJobs().data ?? 0;
  const leave = useMutation({
    mutationFn: () => signOut(actor.id),
    onSettled: () => {
      forgetAll();
      window.location.assign("/"); // a new page, so that nothing of this person stays in memory
    },
  });
  const out = () => {
    const waits = waitingOf(actor.id);
    if (waits === 0 || window.confirm(t("user.waiting", { n: waits }))) leave.mutate();
  };
  return (
    <>
      <button
        type="button"
        className="user"
        popoverTarget="user-menu"
        data-testid="user-menu"
        aria-label={`${say(actor.name)} · ${t("user.menu")}`}
      >
        <UserIcon />
        <span className="user-name">{say(actor.name)}</span>
      </button>
      <div id="user-menu" ref={menu} popover="auto" className="user-menu">
        <strong>{say(actor.name)}</strong>
        <span>{actor.department_title ? say(actor.department_title) : t("user.city")}</span>
        <span className="quiet">
          {actor.roles.map((role) => (isRole(role) ? t(`role.${role}`) : role)).join(" · ")}
        </span>
        {KEEPING.filter(({ permission }) => may(session, permission)).map(({ path, title }) => (
          <Link key={path} href={path}>
            {t(title)}
          </Link>
        ))}
        <Link href="/jobs" data-testid="menu-jobs" data-jobs={jobs}>
          {jobs > 0 ? t("nav.jobsUnderWay", { n: jobs }) : t("nav.jobs")}
        </Link>
        <Link href="/me">{t("nav.me")}</Link>
        {may(session, "task.act") && <a href="/field">{t("nav.field")}</a>}
        <button type="button" className="link" data-testid="logout" onClick={out}>
          {t("user.logout")}
        </button>
      </div>
    </>
  );
}

const ROLES = [
  "duty_officer",
  "coordinator",
  "clerk",
  "steward",
  "analyst",
  "mayor",
  "inspector",
  "operator",
  "department_admin",
  "admin",
  "system",
] as const;
const isRole = (role: string): role is (typeof ROLES)[number] => (ROLES as readonly string[]).includes(role);

/** The city's clock stands still without a link, so it says as of when everything else is. */
function LinkBanner({ zone }: { zone: string }) {
  const { t } = useWords();
  const state = useLinkState();
  const { now } = useClock();
  if (state !== "lost") return null;
  return (
    <div className="banner" data-tone="lost" role="status" data-testid="link-lost">
      {t("live.lost", { time: cityTime(now, zone, "full") })}
    </div>
  );
}

/** New alerts read aloud: politely, and at once when they are red. */
function Heard() {
  const { t, say } = useWords();
  const heard = useHeard();
  const data = (heard?.data ?? {}) as {
    level?: number | null;
    subject?: { name?: Record<string, string> };
    suppressed_by?: string | null;
  };
  const name = data.subject?.name ? say(data.subject.name) : "";
  const text =
    heard?.type === "alert.raised" && !data.suppressed_by
      ? t("live.raised", { name })
      : heard?.type === "alert.level_changed" && !data.suppressed_by
        ? t("live.changed", { name })
        : heard?.type === "alert.ended"
          ? t("live.ended", { name })
          : "";
  const red = heard !== null && heard.type !== "alert.ended" && data.level === 1;
  return (
    <>
      <div className="unseen" aria-live="polite">
        {red ? "" : text}
      </div>
      <div className="unseen" aria-live="assertive">
        {red ? text : ""}
      </div>
    </>
  );
}
