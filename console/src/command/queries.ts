/** What the command page asks beside the common questions. */

import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Alert, Iso, Page } from "../api/types";
import type { ShortSubject } from "../subjects/types";
import type { PastAlert, Window } from "./past";

/** Alerts that stood in a window of time. */
export const usePast = ({ from, to }: Window, enabled: boolean) =>
  useQuery({
    queryKey: ["alerts", "past", from, to],
    queryFn: () =>
      get<Page<PastAlert>>("/api/past/alerts", { from: new Date(from).toISOString(), to: new Date(to).toISOString() }),
    enabled,
  });

/** The city's file on the subject of an alert, when it has one that this person may see. */
export const useSubjectOf = (subject: Alert["subject"] | null, enabled: boolean) =>
  useQuery({
    queryKey: ["subjects", "of", subject?.kind, subject?.id],
    queryFn: async () => {
      const found = await get<Page<ShortSubject>>("/api/subjects", { q: subject?.id, limit: 5 });
      return found.items.find(({ identifiers }) => identifiers.some(({ value }) => value === subject?.id)) ?? null;
    },
    enabled: enabled && subject !== null && subject.kind !== "place",
    staleTime: 300_000,
    placeholderData: undefined,
    retry: false,
  });

export interface Followable {
  dataset: string;
  name: string;
  title: Record<string, string>;
}

export const useFollowable = (enabled: boolean) =>
  useQuery({
    queryKey: ["declared", "tracks"],
    queryFn: async () => (await get<Page<Followable>>("/api/tracks/datasets")).items,
    enabled,
    staleTime: 600_000,
  });

export interface TrackMatter {
  since: Iso;
  until: Iso | null;
  lon?: number;
  lat?: number;
  [column: string]: unknown;
}

export interface Track {
  dataset: string;
  key: string;
  fixes: number;
  pieces: [Iso, number, number, number | null][][];
  stays: TrackMatter[];
  trips: TrackMatter[];
  visits: TrackMatter[];
}

export const useTrack = (dataset: string | null, key: string | null, from: number, to: number) =>
  useQuery({
    queryKey: ["track", dataset, key, from, to],
    queryFn: () =>
      get<Track>("/api/tracks", {
        dataset,
        key,
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
      }),
    enabled: dataset !== null && key !== null,
    placeholderData: undefined,
    retry: false,
  });
