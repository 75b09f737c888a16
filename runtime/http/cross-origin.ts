/**
 * Browsers. Nothing is open to pages of other sites until their origins are named: their requests
 * are refused, not only their answers hidden, because a request alone can invoke a handler.
 */
import { empty, HttpProblem, type Answer } from "./answer.ts";
import type { HttpRequest } from "./request.ts";

export interface CrossOrigin {
  /** Exact origins ("https://app.example"), or "*" for any. Empty: off. */
  readonly origins: readonly string[];
  readonly methods: string;
  readonly exposedHeaders: string;
}

const PREFLIGHT_SECONDS = "600";

/** The headers that every answer to this request gets. Throws 403 for a page that was not named. */
export function crossOriginHeaders(
  request: HttpRequest,
  { origins, exposedHeaders }: CrossOrigin,
): Readonly<Record<string, string>> {
  const origin = request.fields.get("origin");
  if (origin !== undefined && (origins.includes(origin) || origins.includes("*"))) {
    return {
      "access-control-allow-origin": origin,
      "access-control-expose-headers": exposedHeaders,
      vary: "origin",
    };
  }
  if (request.fields.get("sec-fetch-site") === "cross-site") {
    const message = `pages of ${origin ?? "another site"} may not call this; allow their origin with --cors-origins (HOLDFAST_CORS_ORIGINS)`;
    throw new HttpProblem(403, message);
  }
  return origins.length > 0 ? { vary: "origin" } : {};
}

/** The answer to a preflight request of a named origin; `undefined` when it is none. */
export function preflight(
  request: HttpRequest,
  { methods }: CrossOrigin,
  headers: Readonly<Record<string, string>>,
): Answer | undefined {
  const wanted = request.fields.get("access-control-request-method");
  if (request.method !== "OPTIONS" || wanted === undefined) return undefined;
  if (headers["access-control-allow-origin"] === undefined) return undefined;
  const asked = request.fields.get("access-control-request-headers");
  return empty(200, {
    "access-control-allow-methods": methods,
    ...(asked === undefined ? {} : { "access-control-allow-headers": asked }),
    "access-control-max-age": PREFLIGHT_SECONDS,
  });
}
