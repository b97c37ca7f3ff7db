/** Every question the pages ask, with its cache key. The first word of a key is what live events invalidate. */

import { keepPreviousData, MutationCache, QueryCache, QueryClient, useQuery } from "@tanstack/react-query";
import { askWho, noticed, remembered } from "../field/person";
import { get, Problem } from "./client";
import type {
  Alert,
  AlertDetail,
  City,
  Department,
  Evidence,
  Incident,
  IncidentDetail,
  Layer,
  LayerFeatures,
  Page,
  Panel,
  PanelContent,
  SeriesEvidence,
  Session,
  Source,
  SourceDetail,
  Task,
  Text,
} from "./types";

/** The session as it was, marked as over: its page keeps every word until the same person is back (see App.tsx). */
function ended(): Session | null {
  const before = client.getQueryData<Session | null>(["session"]);
  return before ? { ...before, over: true } : null;
}

/** An answer "nobody is logged in" brings the login page, wherever it comes from. */
function loggedOut(error: unknown) {
  if (error instanceof Problem && error.status === 401) client.setQueryData(["session"], ended());
}

/** Whether the same question may well be answered in a moment; without a network the live link asks again when it is back. */
const passing = (error: unknown) =>
  error instanceof Problem &&
  navigator.onLine &&
  ((error.status === 0 && error.code !== "timeout") || [502, 503, 504].includes(error.status));

export const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: loggedOut }),
  mutationCache: new MutationCache({ onError: loggedOut }),
  defaultOptions: {
    // An intranet has no say in whether the browser believes itself online: what is asked is asked, and fails in words.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      staleTime: 5_000,
      gcTime: 300_000,
      placeholderData: keepPreviousData,
      refetchOnWindowFocus: true,
      retry: (failures, error) => failures < 2 && passing(error),
    },
  },
});

/** Lists come bare or as a page; the pages want a page. */
async function list<T>(path: string, params: Parameters<typeof get>[1] = {}): Promise<Page<T>> {
  const answer = await get<T[] | Page<T>>(path, params);
  return Array.isArray(answer) ? { items: answer, total: answer.length, next: null } : answer;
}

/** Somebody logged in: what was asked for another person is forgotten. */
export function enter(session: Session) {
  const same = remembered()?.actor.id === session.actor.id;
  noticed(session);
  client.setQueryData(["session"], session);
  const others = { predicate: ({ queryKey }: { queryKey: readonly unknown[] }) => queryKey[0] !== "session" };
  if (same) void client.invalidateQueries(others);
  else client.removeQueries(others);
}

/** While what every page needs is missing, it is asked for again and again: nobody has to press. */
const untilThere = ({ state }: { state: { status: string; data: unknown } }) =>
  state.status === "error" && state.data === undefined ? 5_000 : false;

/** The session, or null when nobody was logged in. */
export const useSession = () =>
  useQuery({
    queryKey: ["session"],
    queryFn: async () => (await askWho()) ?? ended(),
    staleTime: 60_000,
    refetchInterval: untilThere,
  });

/** Whether the person at the console holds a permission (the city checks again). */
export const useMay = (permission: string) => useSession().data?.actor.permissions.includes(permission) ?? false;

export const useCity = () =>
  useQuery({
    queryKey: ["city"],
    queryFn: () => get<City>("/api/city"),
    staleTime: 60_000,
    refetchInterval: untilThere,
  });

/** A page of alerts, and how many are in the queue and kept out of it. */
type Alerts = Page<Alert> & { counts?: { open: number; raised: number; suppressed: number } };

export const useAlerts = (state: string) =>
  useQuery({
    queryKey: ["alerts", state],
    queryFn: () => list<Alert>("/api/alerts", { state, limit: 200 }) as Promise<Alerts>,
  });

export const useAlert = (id: string | null) =>
  useQuery({
    queryKey: ["alert", id],
    queryFn: () => get<AlertDetail>(`/api/alerts/${id}`),
    enabled: id !== null,
    placeholderData: undefined,
  });

export const useIncidents = (state: string) =>
  useQuery({ queryKey: ["incidents", state], queryFn: () => list<Incident>("/api/incidents", { state, limit: 200 }) });

export const useIncident = (id: string) =>
  useQuery({
    queryKey: ["incident", id],
    queryFn: () => get<IncidentDetail>(`/api/incidents/${id}`),
    placeholderData: undefined,
  });

/** The residents' matter that an incident answers. */
export const useMatterOf = (incident: string | null) =>
  useQuery({
    queryKey: ["matters", "of", incident],
    queryFn: async () => (await list<{ id: string }>("/api/matters", { incident, limit: 1 })).items.at(0) ?? null,
    enabled: incident !== null,
  });

export const useTask = (id: string) =>
  useQuery({
    queryKey: ["tasks", "one", id],
    queryFn: () => get<Task>(`/api/tasks/${encodeURIComponent(id)}`),
    placeholderData: undefined,
  });

/** The open tasks of one's department; of every department for who belongs to none. */
export const useOpenTasks = () =>
  useQuery({ queryKey: ["tasks", "open"], queryFn: () => list<Task>("/api/tasks", { mine: true, limit: 200 }) });

export const useClosedTasks = (unit: string | null, enabled: boolean) =>
  useQuery({
    queryKey: ["tasks", "closed", unit],
    queryFn: () => list<Task>("/api/tasks", { unit, state: "closed", limit: 200 }),
    enabled,
  });

export const useSources = () =>
  useQuery({ queryKey: ["sources"], queryFn: () => list<Source>("/api/sources"), refetchInterval: 15_000 });

export const useSource = (id: string) =>
  useQuery({
    queryKey: ["source", id],
    queryFn: () => get<SourceDetail>(`/api/sources/${encodeURIComponent(id)}`),
    placeholderData: undefined,
  });

export const useDepartments = () =>
  useQuery({
    queryKey: ["departments"],
    queryFn: async () => (await list<Department>("/api/departments")).items,
    staleTime: 600_000,
    refetchInterval: untilThere,
  });

export interface DatasetTitle {
  name: string;
  title: Text;
  owner_title: Text;
}

/** What datasets are called and whose they are: words for pages that name them. */
export const useDatasetNames = () =>
  useQuery({
    queryKey: ["dataset names"],
    queryFn: async () => (await list<DatasetTitle>("/api/datasets")).items,
    select: byName,
    staleTime: 600_000,
    enabled: useMay("dataset.read"),
  });

const byName = (items: DatasetTitle[]) => new Map(items.map((one) => [one.name, one]));

export const useLayers = () =>
  useQuery({
    queryKey: ["declared", "layers"],
    queryFn: async () => (await list<Layer>("/api/layers")).items,
    staleTime: 600_000,
    refetchInterval: untilThere,
  });

export const useLayer = (id: string | null, at: string | null) =>
  useQuery({
    queryKey: ["layer", id, at],
    queryFn: () => get<LayerFeatures>(`/api/layers/${encodeURIComponent(id ?? "")}`, { at }),
    enabled: id !== null,
    refetchInterval: ({ state }) => (at !== null ? false : heavy(state.data) ? 120_000 : 10_000),
  });

/** So many points are not fetched again whenever something has landed. */
export const heavy = (data: unknown) => ((data as Partial<LayerFeatures> | undefined)?.features?.length ?? 0) > 5_000;

/** The last hours of one place; `series` may come ready as evidence or as bare points of one line. */
export const useLayerSeries = (layer: Layer | null, key: string | null, hours: number) =>
  useQuery({
    queryKey: ["layer", "series", layer?.id, key, hours],
    queryFn: async (): Promise<SeriesEvidence> => {
      const path = `/api/layers/${encodeURIComponent(layer?.id ?? "")}/series`;
      const answer = await get<Partial<SeriesEvidence> & { points?: SeriesEvidence["series"][number]["points"] }>(
        path,
        {
          key,
          hours,
        },
      );
      return {
        type: "series",
        title: answer.title ?? layer?.title ?? {},
        unit: answer.unit ?? layer?.unit ?? "",
        series: answer.series ?? [{ name: layer?.title ?? {}, points: answer.points ?? [], style: "observed" }],
        thresholds: answer.thresholds ?? [],
      };
    },
    enabled: layer !== null && key !== null,
    refetchInterval: 20_000,
    placeholderData: undefined,
  });

export const usePanels = () =>
  useQuery({
    queryKey: ["declared", "panels"],
    queryFn: async () => (await list<Panel>("/api/panels")).items,
    staleTime: 600_000,
    refetchInterval: untilThere,
  });

export const usePanel = (id: string) =>
  useQuery({
    queryKey: ["panel", id],
    queryFn: () => get<PanelContent | Evidence>(`/api/panels/${encodeURIComponent(id)}`),
    refetchInterval: 20_000,
  });
