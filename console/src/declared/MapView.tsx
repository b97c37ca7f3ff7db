/** Points and tracks of a declared page: a sketch with a graticule, drawn from the figures alone, and the same as a list. */

import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { Band } from "../api/types";
import { useWidth } from "../flow/useWidth";
import { Empty } from "../ui/states";
import { DataTable } from "./DataTable";
import { hrefOf } from "./links";
import type { PointMap, Table } from "./types";
import { useDeclaredWords } from "./words";

const METRES = 111_320; // of a degree of latitude
const ROOM = 28;

interface Sketch {
  x(lon: number): number;
  y(lat: number): number;
  lines: { x1: number; y1: number; x2: number; y2: number; text: string }[];
  metres: number;
  scale: number;
}

/** Degrees to px: equal distances in both directions at the middle of what is shown. */
export function sketch(places: readonly [number, number][], width: number, height: number): Sketch {
  const lons = places.map(([lon]) => lon);
  const lats = places.map(([, lat]) => lat);
  const [west, east] = [Math.min(...lons), Math.max(...lons)];
  const [south, north] = [Math.min(...lats), Math.max(...lats)];
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const wide = Math.max((east - west) * squeeze, 0.01);
  const tall = Math.max(north - south, 0.01);
  const scale = Math.min((width - ROOM * 2) / wide, (height - ROOM * 2) / tall);
  const x = (lon: number) => width / 2 + (lon - (west + east) / 2) * squeeze * scale;
  const y = (lat: number) => height / 2 - (lat - (south + north) / 2) * scale;
  const shownLon = width / scale / squeeze;
  const shownLat = height / scale;
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2].find((one) => Math.max(shownLon, shownLat) / one <= 9) ?? 5;
  const digits = step < 0.1 ? 2 : 1;
  const lines: Sketch["lines"] = [];
  for (
    let at = Math.ceil(((west + east) / 2 - shownLon / 2) / step);
    at * step < (west + east) / 2 + shownLon / 2;
    at++
  )
    lines.push({ x1: x(at * step), y1: 0, x2: x(at * step), y2: height, text: `${(at * step).toFixed(digits)}°E` });
  for (
    let at = Math.ceil(((south + north) / 2 - shownLat / 2) / step);
    at * step < (south + north) / 2 + shownLat / 2;
    at++
  )
    lines.push({ x1: 0, y1: y(at * step), x2: width, y2: y(at * step), text: `${(at * step).toFixed(digits)}°N` });
  const metres = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000].find(
    (one) => (one / METRES) * scale > 60,
  );
  return { x, y, lines, metres: metres ?? 100_000, scale };
}

const bandOf = (bands: readonly Band[], value: number | null) =>
  value === null ? null : (bands.find(({ to }) => to === null || value <= to) ?? bands.at(-1) ?? null);

const LEVELS = ["red", "orange", "yellow", "blue"];

export function MapView({ content, label }: { content: PointMap; label: string }) {
  const { d, say, number } = useDeclaredWords();
  const [box, width] = useWidth<HTMLDivElement>(900);
  const [, go] = useLocation();
  const [chosen, setChosen] = useState<string | null>(null);
  const height = Math.round(Math.min(520, Math.max(280, width * 0.55)));
  const places = useMemo<[number, number][]>(
    () => [
      ...content.points.map(({ lon, lat }): [number, number] => [lon, lat]),
      ...content.tracks.flatMap(({ points }) => points.map(([, lon, lat]): [number, number] => [lon, lat])),
    ],
    [content],
  );
  const drawn = useMemo(() => (places.length > 0 ? sketch(places, width, height) : null), [places, width, height]);
  const table = useMemo<Table>(
    () => ({
      type: "table",
      columns: [
        { name: "key", title: { "zh-CN": "", en: "" }, hidden: true },
        {
          name: "name",
          title: { "zh-CN": "名称", en: "Name" },
          link: content.link && { ...content.link, column: "key" },
        },
        { name: "value", title: { "zh-CN": "数值", en: "Value" }, unit: content.unit || null },
        {
          name: "level",
          title: { "zh-CN": "等级", en: "Level" },
          kind: "level",
          hidden: content.points.every(({ level }) => level === null),
        },
        { name: "lon", title: { "zh-CN": "经度", en: "Longitude" }, digits: 5 },
        { name: "lat", title: { "zh-CN": "纬度", en: "Latitude" }, digits: 5 },
        {
          name: "at",
          title: { "zh-CN": "时间", en: "Time" },
          kind: "time",
          hidden: content.points.every(({ at }) => at === null),
        },
      ],
      rows: content.points.map(({ key, name, value, level, lon, lat, at }) => [key, name, value, level, lon, lat, at]),
      note: null,
    }),
    [content],
  );
  if (drawn === null) return <Empty title={d("map.none")}>{d("empty.why")}</Empty>;
  const here = content.points.find(({ key }) => key === chosen);
  return (
    <div ref={box} className="declared-map">
      <svg width={width} height={height} role="img" aria-label={label} data-testid="sketch">
        <rect width={width} height={height} className="ground" />
        {drawn.lines.map(({ text, ...line }) => (
          <g key={text}>
            <line {...line} className="graticule" />
            <text x={line.x1 + 3} y={line.y1 === line.y2 ? line.y1 - 3 : height - 4} className="degree">
              {text}
            </text>
          </g>
        ))}
        {content.tracks.map(({ name, points }, at) => (
          <polyline
            key={`${say(name)} ${at}`}
            points={points.map(([, lon, lat]) => `${drawn.x(lon)},${drawn.y(lat)}`).join(" ")}
          />
        ))}
        {content.points.map((one) => (
          // The list below has the same as links; the picture is for the pointer.
          // biome-ignore lint/a11y/noStaticElementInteractions: see above
          <circle
            key={one.key}
            cx={drawn.x(one.lon)}
            cy={drawn.y(one.lat)}
            r={one.key === chosen ? 8 : content.points.length > 300 ? 3.5 : 5.5}
            fill={
              one.level
                ? `var(--${LEVELS[one.level - 1]}-fill)`
                : (bandOf(content.bands, one.value)?.colour ?? "var(--accent)")
            }
            data-chosen={one.key === chosen || undefined}
            onPointerEnter={() => setChosen(one.key)}
            onClick={() => {
              const href = content.link ? hrefOf(content.link, one.key, () => one.key) : null;
              if (href) go(href);
            }}
          >
            <title>{`${say(one.name)}${one.value === null ? "" : ` ${number(one.value)} ${content.unit}`}`}</title>
          </circle>
        ))}
        <g
          transform={`translate(${width - (drawn.metres / METRES) * drawn.scale - 14} ${height - 14})`}
          className="scale"
        >
          <line x1="0" x2={(drawn.metres / METRES) * drawn.scale} y1="0" y2="0" />
          <text x="0" y="-5">
            {drawn.metres < 1_000 ? `${drawn.metres} m` : `${drawn.metres / 1_000} km`} · {d("map.schematic")}
          </text>
        </g>
      </svg>
      {content.bands.length > 0 && (
        <ul className="bands declared-note">
          {content.bands.map((band) => (
            <li key={band.colour}>
              <span className="swatch" style={{ background: band.colour }} />
              {say(band.label)}
            </li>
          ))}
        </ul>
      )}
      {here && (
        <p className="declared-told">
          {say(here.name)} {here.value !== null && `${number(here.value)} ${content.unit}`}
        </p>
      )}
      {content.points.length > 0 && (
        <details>
          <summary>{d("map.list", { n: content.points.length })}</summary>
          <DataTable content={table} label={label} />
        </details>
      )}
      {content.note && <p className="declared-note quiet">{say(content.note)}</p>}
    </div>
  );
}
