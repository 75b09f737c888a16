import type { Ask, Question } from "../ask.ts";
import type { Response } from "../core/effect.ts";
import { HttpProblem } from "./answer.ts";
import type { Departure } from "./client-signal.ts";

/** Asks the machine. When the runtime stops first, nobody knows what came of it: 503. */
export function askOrRefuse(ask: Ask, question: Question, signal: Departure): Promise<Response> {
  return ask(question, signal).catch((error: unknown) => refuse(error, signal));
}

/** The same, and what `read` makes of the response. */
export function askAndRead<T>(
  ask: Ask,
  question: Question,
  signal: Departure,
  read: (response: Response) => T,
): Promise<T> {
  return ask(question, signal).then(read, (error: unknown) => refuse(error, signal));
}

function refuse(error: unknown, signal: Departure): never {
  if (signal.aborted) throw error;
  const message =
    "the runtime is stopping and did not answer. If the request has an 'idempotency-key', it can be safely retried.";
  throw new HttpProblem(503, message, { headers: { "retry-after": "1" } });
}
