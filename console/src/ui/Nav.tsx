/** Where one can go: in one row what finds room, the rest behind one button; at the bottom of a phone the same. */

import { type CSSProperties, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { useWords } from "../i18n";
import { MoreIcon } from "./icons";

export interface Entry {
  path: string;
  title: string;
  current: boolean;
  icon: () => ReactNode;
}

/** How many entries, from the first on, find room; when not all do, the button that holds the rest needs room too. */
export function fitting(widths: readonly number[], more: number, gap: number, room: number): number {
  let used = 0;
  let fit = 0;
  for (const [at, width] of widths.entries()) {
    used += width + (at > 0 ? gap : 0);
    if (used + gap + more <= room) fit = at + 1;
  }
  return used <= room ? widths.length : fit;
}

export function Nav({ entries }: { entries: readonly Entry[] }) {
  const { t } = useWords();
  const [location] = useLocation();
  const bar = useRef<HTMLElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const [fit, setFit] = useState(entries.length);
  const [left, setLeft] = useState(0);
  // what is current is bold
  const names = entries.map(({ title, current }) => (current ? `*${title}` : title)).join("|");
  // biome-ignore lint/correctness/useExhaustiveDependencies: other names have other widths
  useLayoutEffect(() => {
    const nav = bar.current;
    if (nav === null) return;
    const measure = () => {
      const widths = [...nav.querySelectorAll<HTMLElement>(":scope > *")].map(({ offsetWidth }) => offsetWidth);
      const more = widths.pop() ?? 0;
      const gap = Number.parseFloat(getComputedStyle(nav).columnGap) || 0;
      setFit(fitting(widths, more, gap, nav.clientWidth));
    };
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(nav);
    return () => watcher.disconnect();
  }, [names]);
  useClosed(menu, location);
  const rest = entries.slice(fit);
  const current = rest.find((entry) => entry.current);
  return (
    <>
      <nav className="nav" aria-label={t("nav.label")} ref={bar}>
        {entries.map(({ path, title, current, icon: Icon }, at) => (
          <Link key={path} href={path} aria-current={current ? "page" : undefined} data-out={at >= fit || undefined}>
            <Icon />
            {title}
          </Link>
        ))}
        <button
          type="button"
          popoverTarget="nav-more"
          data-testid="nav-more"
          data-out={rest.length === 0 || undefined}
          aria-current={current ? "true" : undefined}
          aria-label={current ? t("nav.moreCurrent", { title: current.title }) : undefined}
          onClick={({ currentTarget }) => setLeft(currentTarget.getBoundingClientRect().left)}
        >
          <MoreIcon />
          {t("nav.more")}
        </button>
      </nav>
      <div
        id="nav-more"
        ref={menu}
        popover="auto"
        className="nav-menu"
        style={{ "--left": `${left}px` } as CSSProperties}
      >
        {rest.map(({ path, title, current, icon: Icon }) => (
          <Link key={path} href={path} aria-current={current ? "page" : undefined}>
            <Icon />
            {title}
          </Link>
        ))}
      </div>
    </>
  );
}

/** A menu that is open closes when one has gone somewhere. */
export function useClosed(menu: { current: HTMLElement | null }, location: string) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: going somewhere is what closes it
  useEffect(() => {
    if (menu.current?.matches(":popover-open")) menu.current.hidePopover();
  }, [menu, location]);
}
