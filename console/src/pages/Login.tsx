import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Problem, post } from "../api/client";
import { enter } from "../api/queries";
import type { Session } from "../api/types";
import { useWords } from "../i18n";
import { Mark } from "../ui/icons";
import { Switches } from "../ui/Shell";

export default function Login() {
  const { t } = useWords();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const login = useMutation({
    mutationFn: () => post<Session>("/api/session", { username, password }),
    onSuccess: enter,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!login.isPending) login.mutate();
  };
  const problem = login.error instanceof Problem ? login.error : null;
  const refused = problem?.status === 401;
  return (
    <main className="login">
      <form onSubmit={submit}>
        <div className="line" style={{ justifyContent: "space-between" }}>
          <span className="brand">
            <Mark />
            {t("product")}
          </span>
          <Switches />
        </div>
        <h1 style={{ fontSize: 18, margin: 0 }}>{t("login.title")}</h1>
        <TextInput
          label={t("login.username")}
          data-testid="username"
          autoComplete="username"
          required
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("login.password")}
          data-testid="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": t("login.show") }}
        />
        {login.error !== null && (
          <div role="alert" className="late">
            {refused ? t("login.refused") : problem?.status === 0 ? t("state.unreachable") : problem?.detail}
            {problem?.remedy && <div className="quiet">{problem.remedy}</div>}
          </div>
        )}
        <Button type="submit" data-testid="login" loading={login.isPending}>
          {t("login.enter")}
        </Button>
      </form>
    </main>
  );
}
