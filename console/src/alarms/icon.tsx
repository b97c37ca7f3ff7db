export const AlarmIcon = () => (
  <svg
    width={18}
    height={18}
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    strokeWidth={1.8}
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    <path d="M6 17V11a6 6 0 0 1 12 0v6M4 17h16M10 20.5h4M12 5V3" />
  </svg>
);
