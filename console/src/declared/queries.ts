/** The questions about declared pages. They are asked anew when somebody asks, or as often as the page says. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { PageEntry, PageView, SectionAnswer } from "./types";

export type Given = Record<string, string>;

/** Of the address only what the page knows: its parameters, and the moment. */
export function givenOf(search: string): Given {
  return Object.fromEntries([...new URLSearchParams(search)].filter(([name, value]) => name !== "tab" && value !== ""));
}

export const usePages = () =>
  useQuery({
    queryKey: ["declared", "pages"],
    queryFn: () => get<PageEntry[]>("/api/pages"),
    staleTime: 600_000,
  });

export const usePage = (id: string, given: Given) =>
  useQuery({
    queryKey: ["app", "page", id, given],
    queryFn: () => get<PageView>(`/api/pages/${encodeURIComponent(id)}`, given),
    staleTime: 60_000,
    placeholderData: (before) => (before?.id === id ? before : undefined),
  });

export const useSection = (page: string, section: string, given: Given, every: number | null) =>
  useQuery({
    queryKey: ["app", "section", page, section, given],
    queryFn: () =>
      get<SectionAnswer>(`/api/pages/${encodeURIComponent(page)}/sections/${encodeURIComponent(section)}`, given),
    staleTime: 60_000,
    refetchOnWindowFocus: false,
    refetchInterval: every === null ? false : every * 1_000,
    placeholderData: keepPreviousData,
  });

export const useCalledSubject = (by: string, value: string) =>
  useQuery({
    queryKey: ["app", "subject", by, value],
    queryFn: () => get<{ id: string }>("/api/pages/subject", { by, value }),
    staleTime: 600_000,
    placeholderData: undefined,
  });
