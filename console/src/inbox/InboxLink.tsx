/** The way to the inbox, with how many messages are unread. */

import { Link } from "wouter";
import { useWords } from "../i18n";
import { LetterIcon } from "../ui/icons";
import { useUnread } from "./queries";

/** The city counts unread messages up to this many. */
const COUNTED = 99;

export function InboxLink({ current }: { current: boolean }) {
  const { t } = useWords();
  const unread = useUnread().data ?? 0;
  const shown = unread > COUNTED ? `${COUNTED}+` : String(unread);
  const name = unread > 0 ? t("inbox.unreadCount", { n: shown }) : t("nav.inbox");
  return (
    <Link
      href="/inbox"
      className="inbox-link"
      aria-current={current ? "page" : undefined}
      aria-label={name}
      title={name}
      data-testid="inbox-link"
      data-unread={unread}
    >
      <LetterIcon />
      {unread > 0 && (
        <span className="badge numeric" aria-hidden="true">
          {shown}
        </span>
      )}
    </Link>
  );
}
