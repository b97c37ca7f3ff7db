/** A draft's way into the phone's store: one write after another, each with the newest of everything. */

import type { Change, Draft, PhotoNote } from "./types";

const TYPING_MS = 400;

type Write = (draft: Draft, photos?: Change["photos"]) => Promise<void>;

/**
 * Letters are kept a moment after they were typed, photos before they are shown. Writes never overtake each other, so an
 * earlier state cannot be kept over a later one, nor a draft without the photo that was just kept.
 */
export class Drafting {
  private last: Promise<void> = Promise.resolve();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  /** `failed` is told when what was typed could not be kept. */
  constructor(
    public draft: Draft,
    private readonly write: Write,
    private readonly failed: (error: unknown) => void,
  ) {}

  change(part: Partial<Omit<Draft, "photos">>): Draft {
    this.draft = { ...this.draft, ...part };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.keep().catch(this.failed), TYPING_MS);
    return this.draft;
  }

  /** What was typed in the last moment is kept too when the page is left. */
  leave(): void {
    if (this.timer !== undefined) void this.keep().catch(() => undefined);
  }

  /** Everything as it is now; rejects when the store refuses it. */
  keep(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    return this.next(() => this.write(this.draft));
  }

  /** A photo belongs to the draft once both are in the store. */
  add(photo: PhotoNote, blob: Blob): Promise<void> {
    return this.next(async () => {
      const photos = [...this.draft.photos, photo];
      await this.write({ ...this.draft, photos }, { put: [{ key: photo.key, blob }] });
      this.draft = { ...this.draft, photos }; // with the letters that were typed meanwhile
    });
  }

  remove(photo: PhotoNote): Promise<void> {
    return this.next(async () => {
      const photos = this.draft.photos.filter(({ key }) => key !== photo.key);
      await this.write({ ...this.draft, photos }, { drop: [photo.key] });
      this.draft = { ...this.draft, photos };
    });
  }

  /** Nothing more is kept while `handed` takes the draft over, nor afterwards when it did. */
  async hand(handed: () => Promise<boolean>): Promise<void> {
    await this.keep();
    this.closed = true;
    let taken = false;
    try {
      taken = await handed();
    } finally {
      this.closed = taken;
    }
  }

  private next(work: () => Promise<void>): Promise<void> {
    const mine = this.last.then(async () => {
      if (!this.closed) await work();
    });
    this.last = mine.catch(() => undefined);
    return mine;
  }
}
