/** What whoever signed in with a one-time code sees, and nothing else. */

import { Button } from "@mantine/core";
import { request } from "../api/client";
import { Mark } from "../ui/icons";
import { Switches } from "../ui/Shell";
import { PasswordForm } from "./PasswordForm";
import { usePeopleWords } from "./words";

export default function NewPassword() {
  const { p, t } = usePeopleWords();
  const again = () => window.location.assign("/");
  return (
    <main className="login">
      <div className="stack" data-testid="must-change">
        <div className="line" style={{ justifyContent: "space-between" }}>
          <span className="brand">
            <Mark />
            {t("product")}
          </span>
          <Switches />
        </div>
        <h1 style={{ fontSize: 18, margin: 0 }}>{p("mustTitle")}</h1>
        <p className="quiet" style={{ margin: 0 }}>
          {p("mustWhy")}
        </p>
        <PasswordForm code done={again} />
        <Button variant="subtle" size="xs" onClick={() => void request("DELETE", "/api/session").then(again, again)}>
          {p("leave")}
        </Button>
      </div>
    </main>
  );
}
