import { Button, PasswordInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Problem, post } from "../api/client";
import { usePeopleWords } from "./words";

const LEAST = 10; // as the city asks; it checks again

/** `code`: what was given in place of a password, and is asked for under its own name. */
export function PasswordForm({ code = false, done }: { code?: boolean; done: (ended: number) => void }) {
  const { p, t } = usePeopleWords();
  const [current, setCurrent] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const change = useMutation({
    mutationFn: () => post<{ ended: number }>("/api/me/password", { current, new: fresh }),
    onSuccess: ({ ended }) => {
      setCurrent("");
      setFresh("");
      setAgain("");
      done(ended);
    },
  });
  const differ = again !== "" && fresh !== again;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!change.isPending && fresh === again) change.mutate();
  };
  const shown = { "aria-label": t("login.show") };
  const problem = change.error instanceof Problem ? change.error : null;
  return (
    <form className="stack" style={{ maxWidth: 380 }} onSubmit={submit}>
      <PasswordInput
        label={p(code ? "codeNow" : "current")}
        required
        autoComplete="current-password"
        data-testid="password-current"
        visibilityToggleButtonProps={shown}
        value={current}
        onChange={({ currentTarget: { value } }) => setCurrent(value)}
      />
      <PasswordInput
        label={p("fresh", { n: LEAST })}
        required
        minLength={LEAST}
        autoComplete="new-password"
        data-testid="password-new"
        visibilityToggleButtonProps={shown}
        value={fresh}
        onChange={({ currentTarget: { value } }) => setFresh(value)}
      />
      <PasswordInput
        label={p("again")}
        required
        autoComplete="new-password"
        data-testid="password-again"
        visibilityToggleButtonProps={shown}
        error={differ ? p("differ") : undefined}
        value={again}
        onChange={({ currentTarget: { value } }) => setAgain(value)}
      />
      {change.error !== null && (
        <div role="alert" className="late">
          {problem?.status === 0 ? t("state.unreachable") : (problem?.detail ?? String(change.error))}
          {problem?.remedy && <div className="quiet">{problem.remedy}</div>}
        </div>
      )}
      <Button type="submit" size="sm" loading={change.isPending} disabled={differ} data-testid="password-change">
        {p("change")}
      </Button>
    </form>
  );
}
