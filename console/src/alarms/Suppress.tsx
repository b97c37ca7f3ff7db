/** Silencing what an alert is about, for a while and with a reason; and who has done so. */

import { Button, NativeSelect, Textarea } from "@mantine/core";
import { useState } from "react";
import { useMay } from "../api/queries";
import type { AlertDetail } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useNow } from "../live/LiveProvider";
import { cityTime } from "../time/format";
import { Sheet } from "../ui/Sheet";
import { severityName } from "../ui/severity";
import { Failure } from "../ui/states";
import { useZone } from "../ui/Time";
import { useTell } from "../ui/Toast";
import type { Scope, Suppression } from "./types";
import { useAlarmWords } from "./words";

const HOURS = [1, 4, 8, 24, 72, 168, 720];
const HOUR_MS = 3_600_000;

/** The button on an alert's page, for those who may. */
export function SuppressButton({ alert }: { alert: AlertDetail }) {
  const { a } = useAlarmWords();
  const may = useMay("alert.suppress");
  const [open, setOpen] = useState(false);
  if (!may || alert.state === "ended" || alert.suppressed_by !== null) return null;
  return (
    <>
      <Button variant="default" data-testid="suppress-open" onClick={() => setOpen(true)}>
        {a("suppress")}
      </Button>
      {open && <SuppressSheet alert={alert} close={() => setOpen(false)} />}
    </>
  );
}

/** Who has silenced the alert, until when, and why. */
export function SuppressedNote({ alert }: { alert: AlertDetail }) {
  const { a, say } = useAlarmWords();
  const zone = useZone();
  const by = alert.suppression;
  if (by === null) return null;
  return (
    <div className="banner quiet" role="status" data-testid="suppressed-note">
      {a("suppress.note", { name: say(by.by.name), until: cityTime(by.until, zone, "minute"), reason: by.reason })}
    </div>
  );
}

function SuppressSheet({ alert, close }: { alert: AlertDetail; close: () => void }) {
  const { a, t, say } = useAlarmWords();
  const tell = useTell();
  const now = useNow();
  const detectors = Object.keys(alert.standing).sort();
  const [scope, setScope] = useState<Scope>("matter");
  const [detector, setDetector] = useState(detectors[0] ?? "");
  const [hours, setHours] = useState(8);
  const [reason, setReason] = useState("");
  const [until, setUntil] = useState<string | null>(null);
  const send = useCommand<Suppression>({
    done: () => {
      tell.done(a("suppress.done", { name: say(alert.subject.name) }));
      close();
    },
  });
  const level = t(`severity.${severityName(alert.level)}`);
  const scopes: { value: Scope; label: string }[] = [
    { value: "matter", label: a("suppress.matter", { name: say(alert.subject.name) }) },
    ...(alert.level === 1
      ? []
      : [{ value: "kind" as const, label: a("suppress.kind", { kind: say(alert.kind_title) }) }]),
    ...(detectors.length > 0 ? [{ value: "detector" as const, label: a("suppress.detector") }] : []),
  ];
  return (
    <Sheet close={close} title={a("suppress.title")}>
      <form
        className="body stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (send.isPending) return;
          // One press is one intent: its end stays the same however often it is sent.
          const end = until ?? new Date(Math.floor(now / 1_000) * 1_000 + hours * HOUR_MS).toISOString();
          setUntil(end);
          send.mutate({
            path: `/api/alerts/${encodeURIComponent(alert.id)}/suppress`,
            body: { scope, reason, until: end, ...(scope === "detector" ? { detector } : {}) },
          });
        }}
      >
        <span className="quiet">{a("suppress.meaning", { level })}</span>
        <NativeSelect
          label={a("suppress.scope")}
          data-testid="suppress-scope"
          value={scope}
          data={scopes}
          onChange={(event) => setScope(event.currentTarget.value as Scope)}
        />
        {scope === "detector" && (
          <NativeSelect
            label={a("suppress.which")}
            value={detector}
            data={detectors}
            onChange={(event) => setDetector(event.currentTarget.value)}
          />
        )}
        <NativeSelect
          label={a("suppress.until")}
          data-testid="suppress-hours"
          value={String(hours)}
          data={HOURS.map((n) => ({
            value: String(n),
            label: n < 72 ? a("suppress.hours", { n }) : a("suppress.days", { n: n / 24 }),
          }))}
          onChange={(event) => {
            setHours(Number(event.currentTarget.value));
            setUntil(null);
          }}
        />
        <Textarea
          label={a("suppress.reason")}
          required
          autosize
          minRows={2}
          data-testid="suppress-reason"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {send.error && <Failure error={send.error} />}
        <div className="line" style={{ justifyContent: "flex-end" }}>
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" loading={send.isPending} disabled={reason.trim() === ""} data-testid="suppress-do">
            {a("suppress.do")}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
