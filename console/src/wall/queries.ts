/** What the wall asks beside what other pages ask. Its key begins with "alerts": alerts and work make it stale. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Iso, Level, TaskState, Text } from "../api/types";

/** Numbers that go by the clock alone change, too. */
const AGAIN_MS = 10_000;

export interface Glance {
  at: Iso;
  /** When the city's day began. */
  day: Iso;
  alerts: {
    levels: { level: Level; raised: number; acknowledged: number }[];
    suppressed: number;
    today: { raised: number; ended: number };
  } | null;
  tasks: {
    states: Partial<Record<TaskState, number>>;
    open: number;
    late: number;
    departments: { code: string; title: Text; open: number; late: number }[];
    today: { closed: number; late: number };
  } | null;
  incidents: { open: number; today: { opened: number; closed: number } } | null;
}

export const useGlance = () =>
  useQuery({ queryKey: ["alerts", "wall"], queryFn: () => get<Glance>("/api/wall"), refetchInterval: AGAIN_MS });
