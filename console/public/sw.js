/*
 * Keeps the field page for when there is no signal: the page and its parts as they were built, by their hashed names.
 * Answers of the city are never kept here. A new build is taken in as a whole, or not at all; the build before it stays
 * until the next, for pages that are open. Scope: /field.
 */

const PREFIX = "cityheart-field-";
const PAGE = "/index.html";
const START = ["index.html", "src/field/FieldApp.tsx", "src/pages/Login.tsx"];
const PATIENCE_MS = 4000;

self.addEventListener("install", (event) => event.waitUntil(takeIn().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("message", (event) => {
  if (event.data === "refresh") event.waitUntil(takeIn().catch(() => undefined));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || url.pathname.startsWith("/api/")) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname.startsWith("/assets/")) event.respondWith(part(request));
  else if (url.pathname === "/favicon.svg") event.respondWith(part(request));
});

/** The page from the city; from the phone when the city does not answer soon. */
async function page(request) {
  const kept = await newest();
  try {
    const answer = await fetch(request, kept ? { signal: AbortSignal.timeout(PATIENCE_MS) } : {});
    if (answer.ok || !kept) return answer;
    return kept; // a gateway answers for a city that is down
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}

/** A part never changes under its name. */
async function part(request) {
  return (await caches.match(request, { ignoreSearch: true, ignoreVary: true })) ?? fetch(request);
}

async function newest() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX));
  for (const name of names.reverse()) {
    const found = await (await caches.open(name)).match(PAGE);
    if (found) return found;
  }
  return null;
}

/** Takes in the build that the city serves now. The page comes last: where it lies, all its parts lie. */
async function takeIn() {
  const [html, manifest] = await Promise.all([fetched("/field"), fetched("/.vite/manifest.json")]);
  const text = await html.clone().text();
  const build = await manifest.json();
  const entry = build["index.html"]?.file;
  if (!entry || !text.includes(entry)) throw new Error("the page and its parts are of two builds");
  const names = new Set(["/favicon.svg"]);
  for (const start of START) collect(build, start, names);
  const name = `${PREFIX}${START.map((start) => build[start]?.file ?? "").join("|")}`;
  const cache = await caches.open(name);
  if (await cache.match(PAGE)) return;
  await Promise.all(
    [...names].map(async (path) => {
      const known = await caches.match(path);
      await cache.put(path, known ?? (await fetched(path)));
    }),
  );
  await cache.put(PAGE, html);
  const old = (await caches.keys()).filter((one) => one.startsWith(PREFIX) && one !== name);
  await Promise.all(old.slice(0, -1).map((one) => caches.delete(one)));
}

function collect(build, key, names) {
  const chunk = build[key];
  if (!chunk || names.has(`/${chunk.file}`)) return;
  names.add(`/${chunk.file}`);
  for (const file of [...(chunk.css ?? []), ...(chunk.assets ?? [])]) names.add(`/${file}`);
  for (const next of chunk.imports ?? []) collect(build, next, names);
}

async function fetched(path) {
  const answer = await fetch(path, { cache: "no-cache", credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}
