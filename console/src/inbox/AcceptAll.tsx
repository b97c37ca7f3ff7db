/** Signing for several tasks at once: each is named with its clock before it is signed for, and told when it is not. */

import { Button, Checkbox } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { commandId, Problem, post } from "../api/client";
import type { Task } from "../api/types";
import { useWords } from "../i18n";
import { Sheet } from "../ui/Sheet";
import { TaskClock } from "../ui/Timeline";
import { useTell } from "../ui/Toast";

export const acceptable = (tasks: readonly Task[]) => tasks.filter(({ actions }) => actions.includes("accept"));

export function AcceptAll({ tasks, now }: { tasks: readonly Task[]; now: number }) {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  const those = acceptable(tasks);
  if (those.length < 2 && !open) return null;
  return (
    <>
      <Button size="sm" variant="default" data-testid="accept-all" onClick={() => setOpen(true)}>
        {t("accept.open", { n: those.length })}
      </Button>
      {open && <Choose tasks={those} now={now} close={() => setOpen(false)} />}
    </>
  );
}

function Choose({ tasks, now, close }: { tasks: readonly Task[]; now: number; close: () => void }) {
  const { t, say } = useWords();
  const tell = useTell();
  const client = useQueryClient();
  const ids = useRef(new Map<string, string>()); // a task is signed for once, however often one tries
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [refused, setRefused] = useState<ReadonlyMap<string, string>>(new Map());
  const chosen = tasks.filter(({ id }) => !left.has(id));
  const accept = useMutation({
    mutationFn: async () => {
      const told = new Map<string, string>();
      for (const { id } of chosen) {
        const command_id = ids.current.get(id) ?? commandId();
        ids.current.set(id, command_id);
        try {
          await post(`/api/tasks/${encodeURIComponent(id)}/accept`, { command_id });
        } catch (error) {
          // one that was withdrawn meanwhile does not hinder the others; without a link none would go through
          if (!(error instanceof Problem) || error.status === 0 || error.status === 401) throw error;
          told.set(id, error.detail);
        }
      }
      return told;
    },
    onSuccess: (told) => {
      setRefused(told);
      if (told.size === 0) close();
    },
    onError: tell.failed,
    onSettled: () => client.invalidateQueries({ queryKey: ["tasks"] }),
  });
  const turn = (id: string) => {
    const after = new Set(left);
    if (!after.delete(id)) after.add(id);
    setLeft(after);
  };
  return (
    <Sheet title={t("accept.title")} close={close}>
      <p className="quiet">{t("accept.about")}</p>
      <ul className="accept-all">
        {tasks.map((task) => (
          <li key={task.id}>
            <Checkbox
              checked={!left.has(task.id)}
              disabled={accept.isPending}
              onChange={() => turn(task.id)}
              label={say(task.title)}
              description={[task.incident_title, task.unit_title].map(say).filter(Boolean).join(" · ")}
              data-testid="accept-one"
            />
            <TaskClock task={task} now={now} />
            {refused.has(task.id) && <span role="alert">{refused.get(task.id)}</span>}
          </li>
        ))}
      </ul>
      <div className="line">
        <Button
          data-testid="accept-confirm"
          loading={accept.isPending}
          disabled={chosen.length === 0}
          onClick={() => accept.mutate()}
        >
          {t("accept.confirm", { n: chosen.length })}
        </Button>
        <Button variant="default" onClick={close}>
          {t("cancel")}
        </Button>
      </div>
    </Sheet>
  );
}
