/** What kinds of matter are called: those that residents report, and those of alerts; else their code. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { get } from "../api/client";
import type { Text } from "../api/types";
import { useWords } from "../i18n";

interface Named {
  code: string;
  title: Text;
}

const useNamed = (what: "services" | "alert-kinds") =>
  useQuery({
    queryKey: ["declared", what],
    queryFn: async () => (await get<{ items: Named[] }>(`/api/${what}`)).items,
    staleTime: 600_000,
  }).data;

/** Every kind of matter that has a name, each once; as alerts call it where both do. */
export function useKinds(): Named[] {
  const services = useNamed("services");
  const alerts = useNamed("alert-kinds");
  return useMemo(
    () => [...new Map([...(services ?? []), ...(alerts ?? [])].map((one) => [one.code, one])).values()],
    [services, alerts],
  );
}

export function useKindTitle(): (code: string) => string {
  const { say } = useWords();
  const kinds = useKinds();
  return useMemo(() => {
    const titles = new Map(kinds.map(({ code, title }) => [code, title]));
    return (code) => say(titles.get(code)) || code;
  }, [kinds, say]);
}
