/** What a first visit costs over the wire, from the manifest of the last build. */

import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";

const STATIC = "../src/cityheart/console/static";
const MANIFEST = `${STATIC}/.vite/manifest.json`;

interface Chunk {
  file: string;
  imports?: string[];
  dynamicImports?: string[];
  assets?: string[];
  isEntry?: boolean;
}

function files(manifest: Record<string, Chunk>, start: string, lazy: boolean, seen = new Set<string>()): Set<string> {
  const chunk = manifest[start];
  if (chunk === undefined || seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const asset of chunk.assets ?? []) if (asset.endsWith(".js")) seen.add(asset);
  for (const next of [...(chunk.imports ?? []), ...(lazy ? (chunk.dynamicImports ?? []) : [])])
    files(manifest, next, lazy, seen);
  return seen;
}

const zipped = (names: Iterable<string>) =>
  [...names].reduce((sum, name) => sum + gzipSync(readFileSync(`${STATIC}/${name}`)).length, 0) / 1000;

describe.skipIf(!existsSync(MANIFEST))("bytes of the build (npm run build first)", () => {
  const manifest = existsSync(MANIFEST) ? (JSON.parse(readFileSync(MANIFEST, "utf8")) as Record<string, Chunk>) : {};
  const shell = files(manifest, "index.html", false);
  /** The shell and a page with all that it may load later. */
  const page = (name: string) => files(manifest, `src/pages/${name}.tsx`, true, new Set(shell));

  it("keep the shell within 150 kB of script", () => {
    expect(shell.size).toBeGreaterThan(0);
    expect(zipped(shell)).toBeLessThanOrEqual(150);
  });

  it("keep the command page within 750 kB with map, worker and charts", () => {
    const command = page("Command");
    expect([...command].some((name) => name.includes("worker"))).toBe(true);
    expect(zipped(command)).toBeLessThanOrEqual(750);
  });

  it("keep a clerk's inbox within 200 kB, without map and charts", () => {
    const inbox = page("Tasks");
    expect([...inbox].filter((name) => /CityMap|SeriesChart|worker/.test(name))).toEqual([]);
    expect(zipped(inbox)).toBeLessThanOrEqual(200);
  });

  it("keep the field officer's page within 200 kB, without map and charts", () => {
    const field = files(manifest, "src/field/FieldApp.tsx", true, new Set(shell));
    expect([...field].filter((name) => /CityMap|SeriesChart|worker/.test(name))).toEqual([]);
    expect(zipped(field)).toBeLessThanOrEqual(200);
  });

  it("keep the drawing tools away from every page that only looks, and the viewer away from the command page", () => {
    const editor = /(^|\/)Editor-/;
    for (const name of ["Command", "IncidentPage", "Tasks", "PlanLibrary", "PlanPage", "PlanDecisions"])
      expect([name, [...page(name)].filter((file) => editor.test(file))]).toEqual([name, []]);
    expect([...page("PlanDraft")].filter((file) => editor.test(file))).toHaveLength(1);
    expect([...page("Command")].filter((file) => /Drawing-/.test(file))).toEqual([]);
  });

  it("keep a plan's page within 300 kB with its drawing, and the drawing tools within 450 kB", () => {
    expect(zipped(page("PlanPage"))).toBeLessThanOrEqual(300);
    expect(zipped(page("PlanDraft"))).toBeLessThanOrEqual(450);
  });

  it("keep the pages of the flow, with grants and files by hand, within 75 kB beside the shell, without map and charts", () => {
    const flow = files(manifest, "src/flow/pages.ts", true, new Set(shell));
    expect(flow.size).toBeGreaterThan(shell.size);
    expect([...flow].filter((file) => /CityMap|SeriesChart|worker/.test(file))).toEqual([]);
    expect(zipped(flow) - zipped(shell)).toBeLessThanOrEqual(75);
  });
});
