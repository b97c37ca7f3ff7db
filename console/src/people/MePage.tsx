/** One's own account: what one may do, the password, where one is signed in. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { post } from "../api/client";
import { Panel, Shown } from "../ui/states";
import { useTell } from "../ui/Toast";
import { PasswordForm } from "./PasswordForm";
import { Matrix, RealMoment, Sessions } from "./parts";
import { useMe, useRoles } from "./queries";
import { usePeopleWords } from "./words";

export default function MePage() {
  const { p, say } = usePeopleWords();
  const me = useMe();
  const roles = useRoles();
  const tell = useTell();
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: (session: string) => post<{ ended: number }>("/api/me/sessions/end", { session }),
    onSuccess: ({ ended }) => {
      tell.done(p("ended", { n: ended }));
      void client.invalidateQueries({ queryKey: ["me"] });
    },
    onError: tell.failed,
  });
  return (
    <div className="page">
      <h1 style={{ fontSize: 20, margin: 0 }}>{p("me")}</h1>
      <Shown of={me} lines={5}>
        {(one) => (
          <>
            <Panel title={say(one.name)}>
              <dl className="pairs body" data-testid="me">
                <dt>{p("username")}</dt>
                <dd className="mono">{one.username}</dd>
                <dt>{p("department")}</dt>
                <dd>{one.department_title ? say(one.department_title) : (one.department ?? p("city"))}</dd>
                <dt>{p("lastSignIn")}</dt>
                <dd>
                  <RealMoment at={one.last_sign_in_at} />
                </dd>
              </dl>
            </Panel>
            <Panel title={p("password")}>
              <div className="body">
                <PasswordForm
                  done={(ended) => {
                    tell.done(p("changed", { n: ended }));
                    void client.invalidateQueries({ queryKey: ["me"] });
                  }}
                />
              </div>
            </Panel>
            <Panel title={p("sessions")}>
              <Sessions of={one.sessions} busy={end.isPending} end={({ id }) => end.mutate(id)} />
            </Panel>
            <Panel title={p("mayDo")}>
              <Shown of={roles} lines={5}>
                {(known) => <Matrix of={known} only={one.roles} />}
              </Shown>
            </Panel>
          </>
        )}
      </Shown>
    </div>
  );
}
