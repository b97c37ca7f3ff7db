/** That the log is what was written: the city recomputes its hash chains when the page asks. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import { useWords } from "../i18n";
import { CheckIcon, WarningIcon } from "../ui/icons";

interface Checked {
  ok: boolean;
  events: number;
  broken: { stream: string; n: number; what: string }[];
}

export const useLogCheck = (incident: string, events: number) =>
  useQuery({
    queryKey: ["incident", "log-check", incident, events],
    queryFn: () => get<Checked>(`/api/incidents/${encodeURIComponent(incident)}/log/check`),
    staleTime: 60_000,
  });

export function LogCheck({ incident, events }: { incident: string; events: number }) {
  const { t } = useWords();
  const checked = useLogCheck(incident, events);
  if (checked.error) return <span className="quiet">{t("log.unchecked")}</span>;
  if (checked.data === undefined) return <span className="quiet">{t("log.checking")}</span>;
  const { ok, broken } = checked.data;
  return ok ? (
    <span className="status" data-tone="good" data-testid="log-checked" title={t("log.checkedWhy")}>
      <CheckIcon /> {t("log.checked", { n: checked.data.events })}
    </span>
  ) : (
    <span className="status" data-tone="late" role="alert">
      <WarningIcon /> {t("log.broken", { n: broken[0]?.n ?? 0, stream: broken[0]?.stream ?? "" })}
    </span>
  );
}
