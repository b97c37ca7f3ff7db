/** A moment in the city's zone, with how long ago (or ahead) it is by the city's clock beside it. */

import { useCity } from "../api/queries";
import type { Iso } from "../api/types";
import { useWords } from "../i18n";
import { useNow } from "../live/LiveProvider";
import { cityTime, duration, type Shape } from "../time/format";

export const useZone = () => useCity().data?.zone ?? "Asia/Shanghai";

export function Moment({ at, shape = "minute", ago = false }: { at: Iso | null; shape?: Shape; ago?: boolean }) {
  const zone = useZone();
  if (at === null) return <span className="quiet">—</span>;
  return (
    <time dateTime={at}>
      {cityTime(at, zone, shape)}
      {ago && <Ago at={at} />}
    </time>
  );
}

export function Ago({ at }: { at: Iso }) {
  const { t, language } = useWords();
  const now = useNow();
  const seconds = (now - Date.parse(at)) / 1000;
  const length = duration(seconds, language);
  return <span className="quiet"> · {t(seconds >= 0 ? "time.ago" : "time.ahead", { length })}</span>;
}
