/** Programs that may hand reports over, each with a key that is shown once. */

import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { get, post } from "../api/client";
import type { Iso } from "../api/types";
import { Empty, Panel, Shown } from "../ui/states";
import { Table } from "../ui/Table";
import { Moment } from "../ui/Time";
import { useTell } from "../ui/Toast";
import { usePeopleWords } from "./words";

interface Program {
  id: string;
  name: string;
  issued_at: Iso;
  revoked_at: Iso | null;
}

export function Programs() {
  const { p } = usePeopleWords();
  const tell = useTell();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [key, setKey] = useState<string | null>(null);
  const programs = useQuery({
    queryKey: ["callers"],
    queryFn: async () => (await get<{ items: Program[] }>("/api/callers")).items,
  });
  const again = () => void client.invalidateQueries({ queryKey: ["callers"] });
  const issue = useMutation({
    mutationFn: () => post<Program & { api_key: string }>("/api/callers", { name }),
    onSuccess: ({ api_key }) => {
      setKey(api_key);
      setName("");
      again();
    },
    onError: tell.failed,
  });
  const revoke = useMutation({
    mutationFn: (id: string) => post<void>(`/api/callers/${encodeURIComponent(id)}/revoke`),
    onSuccess: again,
    onError: tell.failed,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!issue.isPending) issue.mutate();
  };
  return (
    <Panel title={p("programs")}>
      <div className="body stack">
        <span className="quiet">{p("programs.why")}</span>
        <form className="filters" onSubmit={submit}>
          <TextInput
            size="xs"
            required
            maxLength={100}
            label={p("programs.name")}
            data-testid="program-name"
            value={name}
            onChange={({ currentTarget: { value } }) => setName(value)}
          />
          <Button type="submit" size="xs" loading={issue.isPending} data-testid="program-issue">
            {p("programs.issue")}
          </Button>
        </form>
        {key !== null && (
          <div role="status" className="stack">
            <strong>{p("programs.key")}</strong>
            <output className="code-once" style={{ fontSize: 14, overflowWrap: "anywhere" }} data-testid="program-key">
              {key}
            </output>
          </div>
        )}
      </div>
      <Shown of={programs} lines={3}>
        {(items) =>
          items.length === 0 ? (
            <Empty title={p("programs.none")} />
          ) : (
            <section className="flush" tabIndex={0} aria-label={p("programs")}>
              <Table data-testid="programs">
                <thead>
                  <tr>
                    <th>{p("programs.name")}</th>
                    <th>{p("programs.issued")}</th>
                    <th>{p("state")}</th>
                    <th />
                  </tr>
                </thead>
                <tbody>
                  {items.map((one) => (
                    <tr key={one.id}>
                      <td>
                        {one.name} <span className="quiet mono">{one.id}</span>
                      </td>
                      <td>
                        <Moment at={one.issued_at} />
                      </td>
                      <td>
                        {one.revoked_at === null ? (
                          <span className="tag">{p("active")}</span>
                        ) : (
                          <>
                            <span className="tag">{p("programs.revoked")}</span> <Moment at={one.revoked_at} />
                          </>
                        )}
                      </td>
                      <td className="right">
                        {one.revoked_at === null && (
                          <Button
                            size="xs"
                            variant="default"
                            loading={revoke.isPending && revoke.variables === one.id}
                            data-testid="program-revoke"
                            onClick={() => revoke.mutate(one.id)}
                          >
                            {p("programs.revoke")}
                          </Button>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </Table>
            </section>
          )
        }
      </Shown>
    </Panel>
  );
}
