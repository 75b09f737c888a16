/** Calls and sends: what a request says beyond its path. */
import type { Target } from "../../protocol/command.ts";
import type { Question } from "../ask.ts";
import type { Response } from "../core/effect.ts";
import type { Limits } from "../core/limits.ts";
import { HttpProblem, type Answer } from "../http/answer.ts";
import { askAndRead, askOrRefuse } from "../http/ask-or-refuse.ts";
import type { HttpRequest } from "../http/request.ts";
import type { Call } from "../http/route.ts";
import { answerFor } from "./answers.ts";
import { parseDuration } from "./duration.ts";
import type { IngressApi } from "./ingress.ts";
import { asciiValue, journaledHeaders } from "./journaled-headers.ts";
import { checkTarget } from "./names.ts";
import { checkIdempotencyKey } from "./refs.ts";

export function invoke(
  call: Call<IngressApi>,
  mode: "call" | "send",
  target: Target,
): Promise<Answer> {
  const { request, api } = call;
  const { limits } = api;
  checkTarget(target, limits);
  refuseLimitKey(request);
  const delayMs = delayOf(request, mode, limits);
  const idempotencyKey = idempotencyKeyOf(request, limits);
  const headers = journaledHeaders(request, limits.headerBytesMax);
  const ask = (parameter: Uint8Array): Promise<Answer> => {
    const entropy = api.entropy();
    const question: Question = {
      kind: "invoke",
      mode,
      target,
      parameter,
      headers,
      idempotencyKey,
      delayMs,
      entropy,
    };
    return askAndRead(api.ask, question, request.signal, answerFor);
  };
  const body = request.body(Math.min(limits.bodyBytesMax, limits.payloadBytesMax));
  return body instanceof Promise ? body.then(ask) : ask(body);
}

/** Asks the machine, for as long as the client waits. */
export function askFor({ request, api }: Call<IngressApi>, question: Question): Promise<Response> {
  return askOrRefuse(api.ask, question, request.signal);
}

function idempotencyKeyOf({ fields }: HttpRequest, limits: Limits): string | null {
  const key = fields.get("idempotency-key");
  return key === undefined ? null : checkIdempotencyKey(asciiValue("idempotency-key", key), limits);
}

function delayOf({ query }: HttpRequest, mode: "call" | "send", limits: Limits): number {
  const given = valuesOf(query, "delay");
  const [text] = given;
  if (text === undefined) return 0;
  if (mode === "call") {
    const message =
      "cannot use the delay query parameter with calls. The delay is supported only with sends";
    throw new HttpProblem(400, message);
  }
  if (given.length > 1) throw badDelay("it was given more than once");
  const parsed = parseDuration(text);
  if (!parsed.ok) throw badDelay(parsed.reason);
  if (parsed.durationMs > limits.delayMsMax) {
    throw badDelay(`it is longer than ${limits.delayMsMax} ms, the limit delayMsMax`);
  }
  return parsed.durationMs;
}

function badDelay(reason: string): HttpProblem {
  return new HttpProblem(
    400,
    `bad delay query parameter, must be a ISO8601 duration or a friendly one: ${reason}`,
  );
}

function refuseLimitKey({ query, fields }: HttpRequest): void {
  if (valuesOf(query, "limit-key").length === 0 && !fields.has("x-restate-limit-key")) return;
  const message =
    "limit-key requires a scope to be set, and scopes are not supported; leave it out";
  throw new HttpProblem(400, message);
}

/** Names of parameters are compared without regard to case. */
function valuesOf(query: URLSearchParams, name: string): string[] {
  if (query.size === 0) return [];
  return [...query].filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}
