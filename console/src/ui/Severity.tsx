/** Severity by shape, word and colour together, so that none of the three is needed to read it. */

import type { Level } from "../api/types";
import { useWords } from "../i18n";
import { type SeverityShape, severityName, severityShape } from "./severity";

const OUTLINES: Record<SeverityShape, string> = {
  octagon: "M8 2h8l6 6v8l-6 6H8l-6-6V8z",
  diamond: "M12 1 23 12 12 23 1 12z",
  triangle: "M12 1.5 23 21.5H1z",
  circle: "M12 2a10 10 0 1 1 0 20 10 10 0 0 1 0-20z",
  ring: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z",
};

export function SeverityMark({ level, size = 18 }: { level: Level | null; size?: number }) {
  const name = severityName(level);
  const shape = severityShape(level);
  const hollow = shape === "ring";
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path
        d={OUTLINES[shape]}
        fill={hollow ? "none" : `var(--${name}-fill)`}
        stroke={hollow ? "currentColor" : "none"}
        strokeWidth={2}
      />
      {!hollow && (
        <text
          x="12"
          y={shape === "triangle" ? 18.5 : 16.5}
          textAnchor="middle"
          fontSize="13"
          fontWeight="700"
          fill={name === "yellow" || name === "orange" ? "#1a1200" : "#fff"}
        >
          {level}
        </text>
      )}
    </svg>
  );
}

export function Severity({ level, size }: { level: Level | null; size?: number }) {
  const { t } = useWords();
  const name = severityName(level);
  return (
    <span className="severity" data-level={name}>
      <SeverityMark level={level} size={size} />
      {t(`severity.${name}`)}
    </span>
  );
}
