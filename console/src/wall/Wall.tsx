/** The city at a glance, to be read from ten metres: no mouse, no scrolling; read only. */

import { UnstyledButton } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { useCity, useLayers, useMay, usePanels } from "../api/queries";
import { useFlow } from "../flow/queries";
import { useClock, useLinkState } from "../live/LiveProvider";
import { cityTime } from "../time/format";
import { Switches } from "../ui/Shell";
import { Alerts } from "./Alerts";
import { Flow } from "./Flow";
import { Ground, SITES } from "./Ground";
import { Declared, Hazards, TANKS } from "./Hazards";
import { useGlance } from "./queries";
import { Tasks } from "./Tasks";
import { Today } from "./Today";
import { everyOf, type Turning, useTurning } from "./turning";
import "./wall.css";
import { useWallWords } from "./words";

/** From this shape on (width by height) everything stands side by side; below it three panels take turns in one place. */
const WIDE = 2.5;

export default function Wall() {
  const { w } = useWallWords();
  const [params] = useSearchParams();
  const every = everyOf(params.get("every"));
  const turning = useTurning(every);
  const [box, wide] = useWide();
  const glance = useGlance();
  const flow = useFlow();
  const layers = useLayers();
  const mayLayers = useMay("layer.read");
  const panels = (usePanels().data ?? []).filter(({ page }) => page === "command");
  const tanks = layers.data?.find(({ id }) => id === TANKS) ?? null;
  const layer = layers.data?.find(({ id }) => id === params.get("layer")) ?? tanks ?? layers.data?.[0] ?? null;

  const sites = layers.data?.find(({ id }) => id === SITES) ?? null;

  const { turn } = turning;
  const scenes = tanks !== null || panels.length > 0 ? 3 : 2;
  const scene = ((turn % scenes) + scenes) % scenes;
  // What stands side by side turns its pages at every turn, what takes turns at each of its own.
  const page = wide ? turn : Math.floor(turn / scenes);
  return (
    <div className="wall" ref={box} data-testid="wall" data-turn={turn} data-still={turning.still}>
      <div className="wall-inner">
        <Head turning={turning} every={every} />
        <Lost />
        <main className="wall-grid" aria-label={w("wall.label")}>
          <Alerts glance={glance} turn={turn} />
          <div className="wall-middle">
            <Ground layer={layer} sites={sites} known={layers} off={!mayLayers} />
            <Today glance={glance} flow={flow} />
          </div>
          <div className="wall-slot">
            <Tasks glance={glance} turn={page} on={scene === 0} />
            <Flow flow={flow} turn={page} on={scene === 1} />
            {tanks !== null ? (
              <Hazards layer={tanks} turn={page} on={scene === 2} />
            ) : (
              <Declared panels={panels} turn={page} on={scene === 2} />
            )}
          </div>
        </main>
      </div>
    </div>
  );
}

function Head({ turning, every }: { turning: Turning; every: number }) {
  const { w, t, say, number } = useWallWords();
  const city = useCity().data;
  const { now, playing } = useClock();
  const link = useLinkState();
  const { paused, still, pause } = turning;
  return (
    <header className="wall-head">
      <h1>{city ? say(city.title) : t("product")}</h1>
      {city?.notice && <span className="wall-notice">{say(city.notice)}</span>}
      {city?.simulated && (
        <span className="tag">
          {city.clock.kind === "virtual" && city.clock.speed
            ? t("clock.simulatedAt", { speed: number(city.clock.speed, 0) })
            : t("clock.simulated")}
        </span>
      )}
      {!playing && <span className="tag">{t("clock.paused")}</span>}
      <span className="spacer" />
      <span className="wall-turning">
        <span data-testid="wall-state" title={w("wall.keys")}>
          {still ? w("wall.still") : paused ? w("wall.paused") : w("wall.turns", { n: every })}
        </span>
        {!still && (
          <UnstyledButton data-testid="wall-pause" aria-pressed={paused} onClick={pause}>
            {w(paused ? "wall.resume" : "wall.pause")}
          </UnstyledButton>
        )}
        <Link href="/">{w("wall.leave")}</Link>
        <Switches />
      </span>
      <span className="wall-link" data-link={link} data-testid="wall-link">
        {link === "open" ? w("wall.live") : link === "connecting" ? w("wall.connecting") : ""}
      </span>
      <span className="wall-clock numeric">
        {city ? (
          <time dateTime={new Date(now).toISOString()}>
            <span>{cityTime(now, city.zone, "date")}</span> <strong>{cityTime(now, city.zone, "time")}</strong>
          </time>
        ) : (
          "—"
        )}
      </span>
    </header>
  );
}

function Lost() {
  const { w } = useWallWords();
  if (useLinkState() !== "lost") return null;
  return (
    <div className="wall-lost" role="status" data-testid="wall-lost">
      {w("wall.lost")}
    </div>
  );
}

/** Whether the screen is wide enough for everything side by side: the style's container query, for what counts pages. */
function useWide() {
  const box = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () => setWide(element.clientWidth >= WIDE * element.clientHeight);
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  return [box, wide] as const;
}
