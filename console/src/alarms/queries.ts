/** What is asked. Both keys begin with "alerts": whatever happens to an alert makes them stale. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Rate, Suppression } from "./types";

export const useRate = (hours: number, operators: number | null) =>
  useQuery({
    queryKey: ["alerts", "rate", hours, operators],
    queryFn: () => get<Rate>("/api/alerts/rate", { hours, operators }),
    placeholderData: (before) => before,
  });

export const useSuppressions = (state: "in_force" | "ended", enabled = true) =>
  useQuery({
    queryKey: ["alerts", "suppressions", state],
    queryFn: () => get<{ items: Suppression[]; total: number }>("/api/suppressions", { state, limit: 100 }),
    enabled,
  });
