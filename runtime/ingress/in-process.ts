/**
 * The ingress without HTTP, for clients in the same process.
 *
 * 1. A request goes through the app that serves HTTP: it is limited, refused and answered alike. Only
 *    what protects sockets (times, heads, bodies that come slowly) has nothing to do here.
 * 2. Bytes are copied on the way in and out: neither side sees what the other does with them.
 */
import type { AskIngress, IngressAnswer, IngressRequest } from "../../protocol/in-process.ts";
import { NO_BODY, type Answer } from "../http/answer.ts";
import { overloaded, tooLarge } from "../http/body.ts";
import type { Departure } from "../http/client-signal.ts";
import { readHeaderFields } from "../http/header-fields.ts";
import type { HttpLimits } from "../http/http-limits.ts";
import { answerOf, type HttpApp } from "../http/listen.ts";
import { splitPath, splitUrl, toQuery, type HttpRequest } from "../http/request.ts";

/** Of a caller who waits for ever. */
const NEVER: Departure = {
  aborted: false,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};

export function createInProcessIngress(
  app: HttpApp,
  { headersMax, requestsMax }: Pick<HttpLimits, "headersMax" | "requestsMax">,
): AskIngress {
  let requests = 0;
  return async (request) => {
    request.signal?.throwIfAborted();
    if (requests >= requestsMax) return app.problem(overloaded());
    requests++;
    try {
      const answer = await answerOf(app, () => toHttpRequest(request, headersMax));
      if (answer !== undefined) return withOwnBody(answer);
      throw request.signal?.reason;
    } finally {
      requests--;
    }
  };
}

function toHttpRequest(request: IngressRequest, headersMax: number): HttpRequest {
  const { method, body = NO_BODY, signal } = request;
  const { path, query } = splitUrl(request.path);
  return {
    method,
    path,
    segments: splitPath(path),
    query: toQuery(query),
    fields: readHeaderFields(Object.entries(request.headers).flat(), headersMax),
    body: (bytesMax) => {
      if (body.length > bytesMax) return Promise.reject(tooLarge(bytesMax));
      return Promise.resolve(new Uint8Array(body));
    },
    signal: signal ?? NEVER,
  };
}

function withOwnBody(answer: Answer): IngressAnswer {
  return { ...answer, body: new Uint8Array(answer.body) };
}
