/**
 * The ingress without HTTP, for clients in the same process.
 *
 * 1. A request goes through the app that serves HTTP: it is limited, refused and answered alike. Only
 *    what protects sockets (times, heads, bodies that come slowly) has nothing to do here.
 * 2. Bytes are copied on the way in and out: neither side sees what the other does with them.
 */
import type { AskIngress, IngressAnswer, IngressRequest } from "../../protocol/in-process.ts";
import { NO_BODY, type Answer } from "../http/answer.ts";
import { tooLarge } from "../http/body.ts";
import type { Departure } from "../http/client-signal.ts";
import { readHeaderFields } from "../http/header-fields.ts";
import type { HttpLimits } from "../http/http-limits.ts";
import { answerOf, type HttpApp, type OpenRequests } from "../http/listen.ts";
import type { HttpRequest } from "../http/request.ts";
import { readTarget } from "../http/target.ts";

/** Of a caller who waits for ever. */
const NEVER: Departure = {
  aborted: false,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};

export function createInProcessIngress(
  app: HttpApp,
  limits: Pick<HttpLimits, "headersMax" | "requestsMax">,
): AskIngress {
  const open: OpenRequests = { count: 0 };
  return async (request) => {
    request.signal?.throwIfAborted();
    open.count++;
    try {
      const answer = await answerOf({ app, limits }, open, () =>
        toHttpRequest(request, limits.headersMax),
      );
      if (answer !== undefined) return withOwnBody(answer);
      throw request.signal?.reason;
    } finally {
      open.count--;
    }
  };
}

function toHttpRequest(request: IngressRequest, headersMax: number): HttpRequest {
  const { method, body = NO_BODY, signal } = request;
  return {
    method,
    ...readTarget(request.path),
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
