/** The question for a suggestion; the first word of its key is what live events invalidate. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Advice } from "./types";

/** What a suggestion is for: an alert nobody has answered yet, or an incident that is open. */
export type Asked = { of: "alert" | "incident"; id: string };

export const useAdvice = ({ of, id }: Asked) =>
  useQuery({
    queryKey: ["suggestion", of, id],
    queryFn: () =>
      get<Advice>(
        of === "alert"
          ? `/api/alerts/${encodeURIComponent(id)}/suggestion`
          : `/api/incidents/${encodeURIComponent(id)}/suggestions`,
      ),
    placeholderData: undefined,
  });
