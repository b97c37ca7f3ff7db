import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Problem, post } from "../api/client";
import { enter } from "../api/queries";
import type { Session } from "../api/types";
import { useWords } from "../i18n";
import { Mark } from "../ui/icons";
import { told } from "../ui/refusal";
import { Switches } from "../ui/Shell";

/** `ended`: somebody was signed in on this page until just now, and comes back to it. */
export default function Login({ ended = false }: { ended?: boolean }) {
  const words = useWords();
  const { t } = words;
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
  const status = login.error instanceof Problem ? login.error.status : null;
  const own = status === 401 ? t("login.refused") : status === 429 ? t("login.tooMany") : null;
  const { title, detail, remedy } = told(login.error, words);
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
        {ended && (
          <p role="status" className="quiet" style={{ margin: 0 }} data-testid="session-ended">
            {t("login.ended")}
          </p>
        )}
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
            {own ?? detail ?? title}
            {own === null && remedy && <div className="quiet">{remedy}</div>}
          </div>
        )}
        <Button type="submit" data-testid="login" loading={login.isPending}>
          {t("login.enter")}
        </Button>
      </form>
    </main>
  );
}
