/** What the city told this person: orders, escalations, messages of plans; newest first, unread ones stand out. */

import { Button } from "@mantine/core";
import { useState } from "react";
import { useLocation } from "wouter";
import { useWords } from "../i18n";
import { Empty, Panel, Shown } from "../ui/states";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { type Letter, PAGE, useInbox, useRead } from "./queries";

export default function InboxPage() {
  const { t } = useWords();
  const [unread, setUnread] = useState(false);
  const [pages, setPages] = useState(1);
  const inbox = useInbox(unread, pages);
  const read = useRead();
  const tell = useTell();
  const left = inbox.data?.unread ?? 0;
  const show = (only: boolean) => {
    setUnread(only);
    setPages(1);
  };
  return (
    <div className="page letters-page">
      <div className="head">
        <div>
          <h1 style={{ fontSize: 20, margin: 0 }}>{t("nav.inbox")}</h1>
          <span className="quiet">{t("inbox.unread", { n: left })}</span>
        </div>
        <div className="line">
          <Button.Group>
            {[false, true].map((only) => (
              <Button
                key={String(only)}
                size="sm"
                variant={unread === only ? "filled" : "default"}
                aria-pressed={unread === only}
                data-testid={only ? "inbox-unread" : "inbox-all"}
                onClick={() => show(only)}
              >
                {t(only ? "inbox.onlyUnread" : "inbox.all")}
              </Button>
            ))}
          </Button.Group>
          <Button
            size="sm"
            variant="default"
            disabled={left === 0}
            loading={read.isPending && read.variables === null}
            data-testid="inbox-read-all"
            onClick={() => read.mutate(null, { onError: tell.failed })}
          >
            {t("inbox.readAll")}
          </Button>
        </div>
      </div>
      <Shown of={inbox} lines={6}>
        {({ items, total }) =>
          items.length === 0 ? (
            <Panel>
              <Empty title={t(unread ? "inbox.noneUnread" : "inbox.empty")}>{t("inbox.emptyWhy")}</Empty>
            </Panel>
          ) : (
            <>
              <ul className="letters" aria-label={t("nav.inbox")}>
                {items.map((letter) => (
                  <Row key={letter.id} letter={letter} read={() => read.mutate(letter.id, { onError: tell.failed })} />
                ))}
              </ul>
              {items.length < total && items.length >= pages * PAGE && (
                <Button size="md" variant="default" onClick={() => setPages(pages + 1)}>
                  {t("inbox.more", { n: total - items.length })}
                </Button>
              )}
            </>
          )
        }
      </Shown>
    </div>
  );
}

function Row({ letter, read }: { letter: Letter; read: () => void }) {
  const { t, say } = useWords();
  const [, go] = useLocation();
  const fresh = letter.read_at === null;
  const inside = letter.path.startsWith("/") && !letter.path.startsWith("//");
  return (
    <li data-testid="letter" data-unread={fresh} data-topic={letter.topic}>
      <div className="letter-words">
        <span className="letter-subject">
          {fresh && <span className="unseen">{t("inbox.isUnread")} </span>}
          {inside ? (
            <a
              href={letter.path}
              data-testid="letter-open"
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                if (fresh) read();
                go(letter.path);
              }}
            >
              {say(letter.subject)}
            </a>
          ) : (
            say(letter.subject)
          )}
        </span>
        {letter.lines.map((line, index) => (
          <span key={index}>{say(line)}</span>
        ))}
        <span className="quiet">
          <Moment at={letter.at} ago />
        </span>
      </div>
      {fresh && (
        <Button size="sm" variant="default" data-testid="letter-read" onClick={read}>
          {t("inbox.markRead")}
        </Button>
      )}
    </li>
  );
}
