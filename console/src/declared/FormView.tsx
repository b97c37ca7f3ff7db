/** A form that an application declares: drawn from its JSON Schema, sent once, what is wrong stands beside its field. */

import { Button } from "@mantine/core";
import { useState } from "react";
import { Problem } from "../api/client";
import { useCommand } from "../api/useCommand";
import { filled, type Mistake, mistakes, type Values } from "../field/form";
import { Failure } from "../ui/states";
import { TaskForm } from "../ui/TaskForm";
import { Moment } from "../ui/Time";
import type { Given } from "./queries";
import type { Form } from "./types";
import { useDeclaredWords } from "./words";

export function FormView({ content, path, given }: { content: Form; path: string; given: Given }) {
  const { d, say } = useDeclaredWords();
  const [values, setValues] = useState<Values>({});
  const [tried, setTried] = useState(false);
  const [sent, setSent] = useState<string | null>(null);
  const command = useCommand<{ id: string; at: string }>({
    done: ({ at }) => {
      setSent(at);
      setValues({});
      setTried(false);
    },
  });
  if (!content.may)
    return <p className="declared-note quiet">{d("form.cannot", { department: say(content.department_title) })}</p>;
  if (sent !== null)
    return (
      <div className="state" role="status" data-testid="form-sent">
        <strong>{say(content.done)}</strong>
        <span>
          {d("form.sent")} <Moment at={sent} />
        </span>
        <Button variant="default" size="xs" onClick={() => setSent(null)}>
          {d("form.again")}
        </Button>
      </div>
    );
  const whole = filled(values);
  const own = mistakes(content.schema, whole);
  const refused = command.error instanceof Problem ? (command.error.more.mistakes as Mistake[] | undefined) : undefined;
  const wrong = tried ? own : [];
  const { at: _, ...parameters } = given;
  return (
    <form
      className="declared-form stack"
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (own.length === 0 && !command.isPending) command.mutate({ path, body: { values: whole, parameters } });
      }}
    >
      {content.note && <p className="quiet">{say(content.note)}</p>}
      <TaskForm schema={content.schema} values={values} change={setValues} mistakes={[...wrong, ...(refused ?? [])]} />
      {wrong.length > 0 && (
        <p className="late" role="alert">
          {d("form.mend")}
        </p>
      )}
      {command.error !== null && <Failure error={command.error} />}
      <div className="line">
        <Button type="submit" loading={command.isPending} data-testid="form-send">
          {say(content.button)}
        </Button>
      </div>
    </form>
  );
}
