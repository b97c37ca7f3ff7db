/** The console's few pictures, drawn here: no icon font, no request. All are decoration beside a word. */

import type { ReactNode } from "react";

function Icon({ children, size = 18 }: { children: ReactNode; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const Mark = () => (
  <svg width={24} height={24} viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="7" fill="#0f766e" />
    <path d="M4 17h6l3-8 5 15 3-7h7" fill="none" stroke="#fff" strokeWidth="2.6" strokeLinejoin="round" />
  </svg>
);
export const HomeIcon = () => (
  <Icon>
    <path d="M4 21V9l8-5 8 5v12M9 21v-6h6v6M3 21h18" />
  </Icon>
);
export const WallIcon = () => (
  <Icon>
    <path d="M2 6h20v10H2zM9 6v10M15 6v10M8 20h8" />
  </Icon>
);
export const CommandIcon = () => (
  <Icon>
    <path d="M9 4 3 6.5v13L9 17l6 2.5 6-2.5v-13L15 6.5 9 4ZM9 4v13M15 6.5v13" />
  </Icon>
);
export const IncidentIcon = () => (
  <Icon>
    <path d="M4 6h10M4 12h16M4 18h8" />
    <path d="M18 4v4M16 6h4" />
  </Icon>
);
export const MatterIcon = () => (
  <Icon>
    <path d="M4 5h16v11H11l-5 4v-4H4z" />
    <path d="M8 9h8M8 12h5" />
  </Icon>
);
export const CaseIcon = () => (
  <Icon>
    <path d="M5 4h10l4 4v12H5zM15 4v4h4M8 12h8M8 16h5" />
  </Icon>
);
export const MoreIcon = () => (
  <Icon>
    <path d="M4 7h16M4 12h16M4 17h16" />
  </Icon>
);
export const AppIcon = () => (
  <Icon>
    <path d="M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z" />
  </Icon>
);
export const TaskIcon = () => (
  <Icon>
    <rect x="5" y="4" width="14" height="17" rx="2" />
    <path d="M9 4h6v3H9zM9 13l2 2 4-4" />
  </Icon>
);
export const ScoreIcon = () => (
  <Icon>
    <path d="M4 20h16M7 20v-7M12 20V5M17 20v-10" />
  </Icon>
);
export const SourceIcon = () => (
  <Icon>
    <ellipse cx="12" cy="6" rx="7" ry="3" />
    <path d="M5 6v12c0 1.7 3.1 3 7 3s7-1.3 7-3V6M5 12c0 1.7 3.1 3 7 3s7-1.3 7-3" />
  </Icon>
);
export const PlanIcon = () => (
  <Icon>
    <rect x="3" y="4" width="7" height="5" rx="1" />
    <rect x="14" y="15" width="7" height="5" rx="1" />
    <path d="M10 6.5h4a3.5 3.5 0 0 1 3.5 3.5v5M6.5 9v8.5H14" />
  </Icon>
);
export const LetterIcon = () => (
  <Icon>
    <rect x="3" y="5" width="18" height="14" rx="2" />
    <path d="m4 7 8 6 8-6" />
  </Icon>
);
export const FindIcon = () => (
  <Icon>
    <circle cx="11" cy="11" r="6.5" />
    <path d="m16 16 4.5 4.5" />
  </Icon>
);
export const SunIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4" />
  </Icon>
);
export const MoonIcon = () => (
  <Icon>
    <path d="M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5Z" />
  </Icon>
);
export const UserIcon = () => (
  <Icon>
    <circle cx="12" cy="8" r="4" />
    <path d="M4 21c1-4 4-6 8-6s7 2 8 6" />
  </Icon>
);
export const CalendarIcon = () => (
  <Icon size={16}>
    <path d="M4 6h16v14H4zM4 10h16M8 3v4M16 3v4" />
  </Icon>
);
export const ClockIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="9" />
    <path d="M12 7v5l3.5 2" />
  </Icon>
);
export const WaitingIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="8.5" strokeDasharray="3.4 3" />
  </Icon>
);
export const SentIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="8.5" />
  </Icon>
);
export const WorkingIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="8.5" />
    <circle cx="12" cy="12" r="5" fill="currentColor" stroke="none" />
  </Icon>
);
export const SubmittedIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M12 16.5V8M8.5 11 12 7.5l3.5 3.5" />
  </Icon>
);
export const CheckIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="8.5" />
    <path d="m8 12.3 2.8 2.8L16 9.6" />
  </Icon>
);
export const ReturnIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <path d="M9 7 4 12l5 5M4 12h11a5 5 0 0 1 5 5v2" />
  </Icon>
);
export const PauseIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M10 9v6M14 9v6" />
  </Icon>
);
export const CrossIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <circle cx="12" cy="12" r="8.5" />
    <path d="m9 9 6 6M15 9l-6 6" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon size={20}>
    <path d="M6 6l12 12M18 6 6 18" />
  </Icon>
);
export const WarningIcon = ({ size = 16 }: { size?: number }) => (
  <Icon size={size}>
    <path d="M12 4 3 20h18L12 4ZM12 10v5M12 17.5v.5" />
  </Icon>
);
