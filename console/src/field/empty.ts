/** How a person's store on the phone is named, and how it is deleted; apart from the store, for every page can sign out. */

export const nameOf = (person: string) => `cityheart-field:${person}`;

/** Everything of this person leaves the phone. */
export function emptyBox(person: string): Promise<void> {
  return new Promise((done) => {
    const asked = indexedDB.deleteDatabase(nameOf(person));
    asked.onsuccess = asked.onerror = asked.onblocked = () => done();
  });
}
