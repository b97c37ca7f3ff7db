/** The phone's store: one IndexedDB database for each person, so that nobody reads another's work. */

import { nameOf } from "./empty";
import { type Box, type Change, type Draft, EMPTY_META, type Kept, type Meta, type Waiting } from "./types";

const VERSION = 1;
const STORES = ["tasks", "acts", "drafts", "photos", "meta"] as const;

export async function openBox(person: string): Promise<Box> {
  const db = await opened(person);
  return {
    async read(): Promise<Kept> {
      const tx = db.transaction(STORES, "readonly");
      const all = <T>(store: (typeof STORES)[number]) => asked(tx.objectStore(store).getAll() as IDBRequest<T[]>);
      const [tasks, acts, drafts, meta] = await Promise.all([
        all<Kept["tasks"] extends Map<string, infer T> ? T : never>("tasks"),
        all<Waiting>("acts"),
        all<Draft>("drafts"),
        all<{ name: keyof Meta; value: unknown }>("meta"),
      ]);
      return {
        tasks: new Map(tasks.map((one) => [one.id, one])),
        acts: new Map(acts.map((one) => [one.id, one])),
        drafts: new Map(drafts.map((one) => [one.task, one])),
        meta: { ...EMPTY_META, ...Object.fromEntries(meta.map(({ name, value }) => [name, value])) },
      };
    },
    async photo(key) {
      const found = await asked(
        db.transaction("photos", "readonly").objectStore("photos").get(key) as IDBRequest<
          { key: string; bytes: ArrayBuffer; type: string } | undefined
        >,
      );
      return found === undefined ? null : new Blob([found.bytes], { type: found.type });
    },
    async write(change) {
      // Bytes, not blobs: some browsers keep a blob as a reference to a file that may go away.
      const photos = await Promise.all(
        (change.photos?.put ?? []).map(async ({ key, blob }) => ({
          key,
          type: blob.type,
          bytes: await blob.arrayBuffer(),
        })),
      );
      await new Promise<void>((done, failed) => {
        const tx = db.transaction(STORES, "readwrite", { durability: "strict" });
        tx.oncomplete = () => done();
        tx.onerror = () => failed(tx.error);
        tx.onabort = () => failed(tx.error);
        fill(tx, change);
        for (const photo of photos) tx.objectStore("photos").put(photo);
      });
    },
    close: () => db.close(),
  };
}

function fill(tx: IDBTransaction, change: Change) {
  for (const name of ["tasks", "acts", "drafts"] as const) {
    for (const one of change[name]?.put ?? []) tx.objectStore(name).put(one);
    for (const id of change[name]?.drop ?? []) tx.objectStore(name).delete(id);
  }
  for (const key of change.photos?.drop ?? []) tx.objectStore("photos").delete(key);
  for (const [name, value] of Object.entries(change.meta ?? {})) tx.objectStore("meta").put({ name, value });
}

function opened(person: string): Promise<IDBDatabase> {
  return new Promise((done, failed) => {
    const request = indexedDB.open(nameOf(person), VERSION);
    request.onupgradeneeded = () => {
      const keys = { tasks: "id", acts: "id", drafts: "task", photos: "key", meta: "name" };
      for (const name of STORES) request.result.createObjectStore(name, { keyPath: keys[name] });
    };
    request.onsuccess = () => {
      const db = request.result;
      db.onversionchange = () => db.close(); // another page empties it
      done(db);
    };
    request.onerror = () => failed(request.error);
  });
}

function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}
