/** What kinds of matter are called: those that residents report, and those of alerts; else their code. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { get } from "../api/client";
import { useAlerts } from "../api/queries";
import type { Text } from "../api/types";
import { useKnowledgeWords } from "./words";

interface Service {
  code: string;
  title: Text;
}

export function useKindTitle(): (code: string) => string {
  const { say } = useKnowledgeWords();
  const services = useQuery({
    queryKey: ["declared", "services"],
    queryFn: async () => (await get<{ items: Service[] }>("/api/services")).items,
    staleTime: 600_000,
  }).data;
  const alerts = useAlerts("all").data?.items;
  return useMemo(() => {
    const titles = new Map<string, Text>();
    for (const { code, title } of services ?? []) titles.set(code, title);
    for (const { kind, kind_title } of alerts ?? []) titles.set(kind, kind_title);
    return (code) => say(titles.get(code)) || code;
  }, [services, alerts, say]);
}
