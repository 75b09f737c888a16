/** A request as routes see it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { HttpProblem } from "./answer.ts";
import type { Departure } from "./client-signal.ts";
import { readBody, type Receiving } from "./body.ts";
import { readHeaderFields, type HeaderFields } from "./header-fields.ts";
import type { HttpLimits } from "./http-limits.ts";
import { readTarget, type RequestTarget } from "./target.ts";

export interface HttpRequest extends RequestTarget {
  readonly method: string;
  readonly fields: HeaderFields;
  /** Reads the body, once; no promise when it has come. Throws, or rejects with, a 413 problem beyond `bytesMax`. */
  body(bytesMax: number): Promise<Uint8Array> | Uint8Array;
  /** Aborts when the client goes away before it was answered. */
  readonly signal: Departure;
}

export interface Reading {
  readonly limits: HttpLimits;
  readonly receiving: Receiving;
  readonly signal: Departure;
}

export function toHttpRequest(
  message: IncomingMessage,
  response: ServerResponse,
  { limits, receiving, signal }: Reading,
): HttpRequest {
  if (message.headers.host === undefined && message.httpVersion !== "1.0") {
    throw new HttpProblem(400, "the request has no Host header; HTTP/1.1 asks for one");
  }
  const { path, segments, query } = readTarget(message.url ?? "");
  return {
    method: message.method ?? "",
    path,
    segments,
    query,
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
