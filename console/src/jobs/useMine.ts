/** How many of one's own jobs are under way, for the frame of every page. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";

export const useMyJobs = () =>
  useQuery({
    queryKey: ["jobs", "mine"],
    queryFn: async () =>
      (await get<{ total: number }>("/api/jobs?mine=true&state=waiting&state=running&limit=1")).total,
  });
