/** What callers of the ingress see: the machine's responses and our own refusals as HTTP answers. */
import { validateHeaderValue } from "node:http";
import { unreachable } from "../../protocol/assert.ts";
import { FailureCode, isFailureCode, type Failure } from "../../protocol/failure.ts";
import type { Response } from "../core/effect.ts";
import { empty, json, type Answer, type HttpProblem } from "../http/answer.ts";

export const ID_HEADER = "x-restate-id";
export const SOURCE_HEADER = "x-restate-error-source";
export const EXPIRES_HEADER = "idempotency-expires";

export function answerFor(response: Response): Answer {
  switch (response.kind) {
    case "accepted": {
      const { invocationId, status, executionTimeMs } = response;
      const body =
        executionTimeMs === null
          ? { invocationId, status }
          : { invocationId, executionTime: toNanoseconds(executionTimeMs), status };
      return json(202, body, { [ID_HEADER]: invocationId });
    }
    case "completed":
      return completed(response);
    case "done":
      return empty(202);
    case "refused": {
      const { code, message, source, invocationId } = response;
      const id = invocationId === null ? {} : { [ID_HEADER]: invocationId };
      const headers = { ...id, ...retryAfter(code) };
      return errorAnswer({ status: code, error: { code, message }, source, headers });
    }
    case "controlled":
      throw new Error("cancel and kill are the admin API's: the ingress did not ask for them");
    default:
      return unreachable(response);
  }
}

/** Where waiting helps: no room now (429), or none on the disk (503). Seconds. */
function retryAfter(code: number): Readonly<Record<string, string>> {
  if (code === FailureCode.tooMany) return { "retry-after": "1" };
  return code === FailureCode.unavailable ? { "retry-after": "5" } : {};
}

export function problemAnswer({ status, message, headers, closes }: HttpProblem): Answer {
  const error = { code: status, message };
  const answer = errorAnswer({ status, error, source: "ingress", headers });
  return closes ? { ...answer, closes } : answer;
}

function completed(response: Response & { readonly kind: "completed" }): Answer {
  const { invocationId, result, contentType, expiresAtMs } = response;
  const headers: Record<string, string> = { [ID_HEADER]: invocationId };
  if (expiresAtMs !== null) headers[EXPIRES_HEADER] = toOffset(expiresAtMs);
  if (!result.ok) {
    const status = statusOf(result.failure);
    return errorAnswer({ status, error: shown(result.failure), source: "invocation", headers });
  }
  if (contentType !== "") headers["content-type"] = safeType(contentType);
  return { status: 200, headers, body: result.value };
}

interface ErrorParts {
  readonly status: number;
  readonly error: { readonly code: number; readonly message: string };
  readonly source: "ingress" | "invocation";
  readonly headers: Readonly<Record<string, string>>;
}

function errorAnswer({ status, error, source, headers }: ErrorParts): Answer {
  return json(status, { ...error, source }, { ...headers, [SOURCE_HEADER]: source });
}

/** Never the name of the class, never a stack: those are for the admin API. */
function shown({ code, message, metadata }: Failure): Omit<Failure, "name"> {
  return metadata === undefined ? { code, message } : { code, message, metadata };
}

/** A user's code may be any number; HTTP knows those of errors from 400 to 599. */
function statusOf({ code }: Failure): number {
  return isFailureCode(code) ? code : FailureCode.internal;
}

/** A handler's content type is a user's text: one that cannot stand in a header is not sent. */
function safeType(contentType: string): string {
  try {
    validateHeaderValue("content-type", contentType);
    return contentType;
  } catch {
    return "application/octet-stream";
  }
}

/** "2026-11-22T21:45:36.556000000Z" */
function toNanoseconds(timeMs: number): string {
  return toIso(timeMs).replace("Z", "000000Z");
}

/** "2026-11-23T21:45:34.658+00:00" */
function toOffset(timeMs: number): string {
  return toIso(timeMs).replace("Z", "+00:00");
}

const LAST_DATE_MS = 8.64e15;

/** What ends in one batch expires in one millisecond: one text serves many answers. */
let lastMs = 0;
let lastIso = new Date(lastMs).toISOString();

function toIso(timeMs: number): string {
  if (timeMs !== lastMs) {
    lastMs = timeMs;
    lastIso = new Date(Math.min(timeMs, LAST_DATE_MS)).toISOString();
  }
  return lastIso;
}
