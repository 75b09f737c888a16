/** A request as routes see it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { HttpProblem } from "./answer.ts";
import { ClientSignal, type Departure } from "./client-signal.ts";
import { readBody, type Receiving } from "./body.ts";
import { readHeaderFields, type HeaderFields } from "./header-fields.ts";
import type { HttpLimits } from "./http-limits.ts";

export interface HttpRequest {
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
  /** Parts of the path, not decoded; a slash at the end is not a part. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly fields: HeaderFields;
  /** Reads the body, once. Rejects with a 413 problem beyond `bytesMax`. */
  body(bytesMax: number): Promise<Uint8Array>;
  /** Aborts when the client goes away before it was answered. */
  readonly signal: Departure;
}

/** Nobody changes a query. */
const NO_QUERY = new URLSearchParams();

export function toHttpRequest(
  message: IncomingMessage,
  response: ServerResponse,
  { limits, receiving }: { readonly limits: HttpLimits; readonly receiving: Receiving },
): HttpRequest {
  const { path, query } = splitUrl(message.url ?? "");
  if (message.headers.host === undefined && message.httpVersion !== "1.0") {
    throw new HttpProblem(400, "the request has no Host header; HTTP/1.1 asks for one");
  }
  const signal = new ClientSignal();
  response.on("close", () => {
    if (!response.writableFinished) signal.abort();
  });
  return {
    method: message.method ?? "",
    path,
    segments: splitPath(path),
    query: toQuery(query),
    fields: readHeaderFields(message.rawHeaders, limits.headersMax),
    body: (bytesMax) => {
      if (expectsContinue(message) && Number(message.headers["content-length"] ?? 0) <= bytesMax) {
        askToContinue(response);
      }
      return readBody(message, bytesMax, receiving);
    },
    signal,
  };
}

/**
 * When it is this response's turn on the connection: before, Node would put it behind the head of the
 * answer and in front of its body.
 */
function askToContinue(response: ServerResponse): void {
  const now = (): void => {
    if (!response.headersSent) response.writeContinue();
  };
  if (response.socket === null) response.once("socket", now);
  else now();
}

function expectsContinue(message: IncomingMessage): boolean {
  return message.headers.expect?.toLowerCase() === "100-continue";
}

export function toQuery(query: string): URLSearchParams {
  return query === "" ? NO_QUERY : new URLSearchParams(query);
}

/** Takes the query off, and the origin when the target came in absolute form. */
export function splitUrl(url: string): { path: string; query: string } {
  const target = /^https?:\/\/[^/?]*/i.exec(url);
  const local = target ? url.slice(target[0].length) || "/" : url;
  const mark = local.indexOf("?");
  return mark < 0
    ? { path: local, query: "" }
    : { path: local.slice(0, mark), query: local.slice(mark + 1) };
}

export function splitPath(path: string): string[] {
  if (!path.startsWith("/")) {
    throw new HttpProblem(400, `bad path '${path.slice(0, 100)}': a path begins with a slash`);
  }
  const inner = path.endsWith("/") ? path.slice(1, -1) : path.slice(1);
  return inner === "" ? [] : inner.split("/");
}
