/** Photos of receipts: thumbnails, and one large with the others a key away. */

import { useEffect, useState } from "react";
import { useWords } from "../i18n";
import { Sheet } from "../ui/Sheet";
import "./handover.css";

export interface Photo {
  path: string;
  name: string;
  /** Whose it is and of what: a line under the large picture. */
  caption: string;
}

const SHOWN = ["image/jpeg", "image/png", "image/webp"];
export const isPhoto = (media: string | undefined) => SHOWN.includes(media ?? "");

export const photoPath = (task: string, sha256: string) => `/api/tasks/${encodeURIComponent(task)}/files/${sha256}`;

export function Photos({ photos }: { photos: readonly Photo[] }) {
  const { t } = useWords();
  const [open, setOpen] = useState<number | null>(null);
  if (photos.length === 0) return null;
  return (
    <>
      <ul className="photos" data-testid="photos">
        {photos.map((photo, at) => (
          <li key={photo.path}>
            <button type="button" className="plain" title={photo.caption} onClick={() => setOpen(at)}>
              <img
                className="receipt-photo"
                src={photo.path}
                alt={t("photo.open", { name: photo.name })}
                loading="lazy"
              />
            </button>
          </li>
        ))}
      </ul>
      {open !== null && <Large photos={photos} at={open} go={setOpen} close={() => setOpen(null)} />}
    </>
  );
}

function Large({
  photos,
  at,
  go,
  close,
}: {
  photos: readonly Photo[];
  at: number;
  go: (at: number) => void;
  close: () => void;
}) {
  const { t } = useWords();
  const photo = photos[at];
  const count = photos.length;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined || count < 2) return;
      event.preventDefault();
      go((at + step + count) % count);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [at, count, go]);
  if (photo === undefined) return null;
  return (
    <Sheet close={close} title={`${photo.name} · ${at + 1}/${count}`}>
      <figure className="large-photo" data-testid="photo-large" data-at={at}>
        <img src={photo.path} alt={photo.name} />
        <figcaption>
          {photo.caption} · <a href={photo.path}>{t("photo.file")}</a>
        </figcaption>
      </figure>
      {count > 1 && (
        <div className="line" style={{ justifyContent: "space-between" }}>
          <button type="button" className="link" onClick={() => go((at - 1 + count) % count)}>
            ← {t("photo.before")}
          </button>
          <button type="button" className="link" onClick={() => go((at + 1) % count)}>
            {t("photo.after")} →
          </button>
        </div>
      )}
    </Sheet>
  );
}
