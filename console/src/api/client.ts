/** One thin way to speak with the city: JSON in, JSON out, and every refusal is a `Problem` that says what to do. */

export interface ProblemBody {
  title?: string;
  status?: number;
  detail?: unknown;
  code?: string;
  remedy?: string | null;
}

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly remedy: string | null = null,
    /** What else the refusal says: who was first and when, which fields are wrong. */
    readonly more: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
    this.name = "Problem";
  }
}

const PATIENCE_MS = 30_000;

let spoken = "";

/** From now on the city is asked to refuse in this language. */
export const speak = (language: string) => {
  spoken = language;
};

/** Asks the city; gives up after `patience` milliseconds. */
export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  patience: number = PATIENCE_MS,
): Promise<T> {
  const multipart = body instanceof FormData;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: {
        Accept: "application/json",
        ...(spoken && { "Accept-Language": spoken }),
        ...(body !== undefined && !multipart ? { "Content-Type": "application/json" } : {}),
      },
      body: body === undefined ? undefined : multipart ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
    });
  } catch (cause) {
    const slow = cause instanceof DOMException && cause.name === "TimeoutError";
    throw new Problem(0, slow ? "timeout" : "network", String(cause));
  }
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  if (!response.ok) throw problem(response.status, text);
  try {
    return (text === "" ? undefined : JSON.parse(text)) as T;
  } catch {
    throw new Problem(response.status, "not-json", text.slice(0, 200));
  }
}

function problem(status: number, text: string): Problem {
  let body: ProblemBody = {};
  try {
    body = JSON.parse(text) as ProblemBody;
  } catch {
    return new Problem(status, `http-${status}`, text.slice(0, 200) || `HTTP ${status}`);
  }
  return told(status, body);
}

/** A refusal as the city told it, whichever answer it came in. */
export function told(status: number, body: ProblemBody): Problem {
  const detail = typeof body.detail === "string" ? body.detail : (body.title ?? JSON.stringify(body.detail ?? body));
  return new Problem(status, body.code ?? `http-${status}`, detail, body.remedy ?? null, { ...body });
}

export const get = <T>(path: string, params?: Query) => request<T>("GET", path + query(params));
export const post = <T>(path: string, body?: unknown) => request<T>("POST", path, body);

export type Query = Record<string, string | number | boolean | null | undefined>;

/** `{state: "open", level: null}` → `?state=open`: what is not set is not sent. */
export function query(params: Query = {}): string {
  const set = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return set.length === 0 ? "" : `?${new URLSearchParams(set.map(([key, value]) => [key, String(value)]))}`;
}

/** A new command id. `crypto.randomUUID` exists only on https and loopback; a city's intranet may be neither. */
export function commandId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
