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
import { addField, checkHeaderCount, type HeaderFields } from "../http/header-fields.ts";
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
  const over = (): void => void open.count--;
  return (request) => {
    const { signal } = request;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const gone = (): never => {
      throw signal?.reason;
    };
    open.count++;
    const asked = () => toHttpRequest(request, limits.headersMax);
    return answerOf({ app, limits }, open, { request: asked, gone, over }).then(withOwnBody);
  };
}

function toHttpRequest(request: IngressRequest, headersMax: number): HttpRequest {
  const { method, headers, body = NO_BODY, signal } = request;
  const { path, segments, query } = readTarget(request.path);
  return {
    method,
    path,
    segments,
    query,
    fields: fieldsOf(headers, headersMax),
    body: (bytesMax) => {
      if (body.length > bytesMax) throw tooLarge(bytesMax);
      return new Uint8Array(body);
    },
    signal: signal ?? NEVER,
  };
}

function fieldsOf(headers: Readonly<Record<string, string>>, headersMax: number): HeaderFields {
  const names = Object.keys(headers);
  checkHeaderCount(names.length, headersMax);
  const fields = new Map<string, string>();
  for (const name of names) addField(fields, name.toLowerCase(), headers[name] ?? "");
  return fields;
}

function withOwnBody({ status, headers, body }: Answer): IngressAnswer {
  return { status, headers, body: new Uint8Array(body) };
}
