/** The state of a source by shape, word and, only when it is late or failing, colour. */

import type { ReactNode } from "react";
import type { SourceState } from "../api/types";
import { useWords } from "../i18n";
import { CheckIcon, ClockIcon, CrossIcon, WaitingIcon, WarningIcon } from "./icons";

const LOOKS: Record<SourceState, { icon: (props: { size?: number }) => ReactNode; tone: string }> = {
  ok: { icon: CheckIcon, tone: "good" },
  late: { icon: ClockIcon, tone: "late" },
  failing: { icon: WarningIcon, tone: "late" },
  refused: { icon: CrossIcon, tone: "late" },
  idle: { icon: WaitingIcon, tone: "quiet" },
};

export function SourceStateWord({ state }: { state: SourceState }) {
  const { t } = useWords();
  const { icon: Icon, tone } = LOOKS[state] ?? LOOKS.idle;
  return (
    <span className="status" data-tone={tone}>
      <Icon />
      {t(`source.${state}`)}
    </span>
  );
}
