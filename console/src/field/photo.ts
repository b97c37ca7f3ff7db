/** Photos small enough to send from the road: scaled down and written anew as JPEG, so nothing of the camera's notes stays. */

export const PHOTO_BYTES = 2 * 2 ** 20;
const LONGEST_SIDE = 2048;

export class NoPhoto extends Error {}

/** The photo as a JPEG of at most 2 MB without EXIF, the right way up. Throws `NoPhoto` when the browser cannot read it. */
export async function smaller(file: Blob): Promise<Blob> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new NoPhoto();
  }
  try {
    let scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    for (let tries = 0; tries < 12; tries += 1) {
      const quality = tries % 2 === 0 ? 0.82 : 0.6;
      const blob = await drawn(bitmap, scale, quality);
      if (blob.size <= PHOTO_BYTES) return blob;
      if (tries % 2 === 1) scale *= 0.7;
    }
    throw new NoPhoto();
  } finally {
    bitmap.close();
  }
}

async function drawn(bitmap: ImageBitmap, scale: number, quality: number): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const paper = canvas.getContext("2d");
  if (paper === null) throw new NoPhoto();
  paper.fillStyle = "#fff"; // what is transparent in a picture would turn black
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((done, failed) =>
    canvas.toBlob((blob) => (blob === null ? failed(new NoPhoto()) : done(blob)), "image/jpeg", quality),
  );
}

/** Whether the phone's store has room for it; true where the browser does not say. */
export async function room(bytes: number): Promise<boolean> {
  const told = await navigator.storage?.estimate?.().catch(() => null);
  if (!told?.quota || told.usage === undefined) return true;
  return told.quota - told.usage > bytes + 5 * 2 ** 20;
}
