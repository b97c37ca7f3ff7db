/** Follows vehicles over the live channel: says what part of the map is looked at, keeps the fleet, has it drawn. */

import type { Map as GlMap } from "maplibre-gl";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { PositionsFrame } from "../api/live";
import type { Text } from "../api/types";
import { type Positions, usePositions } from "../live/LiveProvider";
import { Fleet, pointsOf, readFrame } from "./fleet";
import { mercatorX, mercatorY } from "./mercator";
import { nearest, PointLayer, rgb } from "./pointLayer";

type Box = [number, number, number, number];

export interface FollowState {
  /** Vehicles in view. */
  count: number;
  /** Seconds since 1970 of the newest position; 0 before the first. */
  newest: number;
  /** Why they may not be followed, in the city's words; null when they may. */
  refused: Text | null;
  change: number;
}

/** One followed dataset. */
export class Followed {
  readonly fleet: Fleet;
  select: (name: string) => void = () => undefined;
  private box: Box;
  private layer: PointLayer | null = null;
  private state: FollowState = { count: 0, newest: 0, refused: null, change: 0 };
  private listeners = new Set<() => void>();
  private colours = { fill: "#0f766e", ring: "#ffffff" };
  private stop: () => void = () => undefined;

  constructor(
    readonly dataset: string,
    private readonly positions: Positions,
    bounds: Box,
    private readonly reduced: boolean,
  ) {
    const [west, south, east, north] = bounds;
    this.box = bounds;
    this.fleet = new Fleet({ x: mercatorX((west + east) / 2), y: mercatorY((south + north) / 2) }, performance.now());
  }

  begin(): void {
    this.stop = this.positions.hear((frame) => this.hear(frame));
    this.say();
  }

  end(): void {
    this.stop();
    this.positions.say({ follow: [] });
  }

  /** Looks at another part of the map; a little more than is seen, so that a small step shows no gap. */
  look([west, south, east, north]: Box): void {
    const wide = (east - west) * 0.15;
    const high = (north - south) * 0.15;
    this.box = [west - wide, south - high, east + wide, north + high];
    this.say();
  }

  pick(x: number, y: number, within: number): string | null {
    const slot = nearest(pointsOf(this.fleet, this.reduced), x, y, within);
    return slot === null ? null : this.fleet.nameOf(slot) || null;
  }

  paint(fill: string, ring: string): void {
    this.colours = { fill, ring };
    this.layer?.show(pointsOf(this.fleet, this.reduced), this.look3());
  }

  /** The layer that draws them; made for each map. */
  drawn(): PointLayer {
    this.layer = new PointLayer(`vehicles-${this.dataset}`, pointsOf(this.fleet, this.reduced), this.look3());
    return this.layer;
  }

  undrawn(): void {
    this.layer = null;
  }

  /** How long the drawing took so far, for those who measure it. */
  get spent(): { frames: number; ms: number } {
    return this.layer?.spent ?? { frames: 0, ms: 0 };
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  read = () => this.state;

  private look3() {
    const [red, green, blue] = rgb(this.colours.fill);
    const [r, g, b] = rgb(this.colours.ring);
    return {
      colour: [red, green, blue, 255] as [number, number, number, number],
      ring: [r / 255, g / 255, b / 255] as [number, number, number],
      size: [8, 16] as [number, number],
    };
  }

  private say(): void {
    this.positions.say({ follow: [this.dataset], box: this.box });
  }

  private hear(frame: ArrayBuffer | PositionsFrame | null): void {
    if (frame === null) {
      this.fleet.forget(); // the new link counts anew
      this.say();
    } else if (frame instanceof ArrayBuffer) {
      const read = readFrame(frame);
      if (read === null || read.dataset !== 0) return;
      this.fleet.apply(read, performance.now());
      this.layer?.repaint();
    } else if (frame.type === "vehicles") {
      if (frame.dataset !== this.dataset) return;
      this.fleet.name(frame);
    } else {
      const refused = frame.refused[this.dataset] ?? null;
      this.state = { ...this.state, refused };
    }
    const { count, newest, change } = this.fleet;
    this.state = { ...this.state, count, newest, change };
    for (const listener of this.listeners) listener();
  }
}

/** Follows a dataset's vehicles while the component stands and a dataset is given. */
export function useFollowed(dataset: string | null, bounds: Box | undefined): Followed | null {
  const positions = usePositions();
  const key = bounds?.join(",") ?? null;
  const followed = useMemo(() => {
    if (dataset === null || key === null) return null;
    const reduced = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    return new Followed(dataset, positions, key.split(",").map(Number) as Box, reduced);
  }, [dataset, key, positions]);
  useEffect(() => {
    followed?.begin();
    return () => followed?.end();
  }, [followed]);
  return followed;
}

const NOTHING: FollowState = { count: 0, newest: 0, refused: null, change: 0 };
const nobody = () => () => undefined;

export function useFollowState(followed: Followed | null): FollowState {
  return useSyncExternalStore(followed?.subscribe ?? nobody, followed?.read ?? (() => NOTHING));
}

/** Draws followed vehicles on one map and tells what part of it is looked at. */
export class FleetDrawing {
  private readonly layer: PointLayer;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly telling: ReturnType<typeof setInterval>;

  constructor(
    private readonly map: GlMap,
    private readonly followed: Followed,
    private readonly below: string,
  ) {
    this.layer = followed.drawn();
    this.stand();
    map.on("styledata", this.stand);
    map.on("moveend", this.moved);
    this.moved();
    this.telling = setInterval(() => {
      // For whoever measures how smooth the map is: frames with vehicles, and this page's own time in them.
      const { frames, ms } = this.layer.spent;
      Object.assign(map.getContainer().dataset, { frames: String(frames), frameMs: ms.toFixed(1) });
    }, 1000);
  }

  end(): void {
    clearTimeout(this.timer);
    clearInterval(this.telling);
    this.map.off("styledata", this.stand);
    this.map.off("moveend", this.moved);
    // The map itself may be gone already.
    if (this.map.style && this.map.getLayer(this.layer.id)) this.map.removeLayer(this.layer.id);
    this.followed.undrawn();
  }

  private stand = () => {
    if (!this.map.getLayer(this.layer.id) && this.map.getLayer(this.below)) this.map.addLayer(this.layer, this.below);
  };

  private moved = () => {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const bounds = this.map.getBounds();
      this.followed.look([bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()]);
    }, 150);
  };
}
