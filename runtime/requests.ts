/**
 * Requests from outside: numbered, submitted to the loop, answered by their `respond` effects.
 *
 * A request whose client went away is forgotten on both sides. What is still open when the runtime
 * stops is rejected: nobody knows how it would have ended.
 */
import { NumberMap } from "../protocol/number-map.ts";
import type { Ask, Question } from "./ask.ts";
import type { Response } from "./core/effect.ts";
import type { Input, RequestId } from "./core/input.ts";
import type { Departure } from "./http/client-signal.ts";

interface Waiting {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: Error) => void;
  readonly signal: Departure;
  readonly onAbort: () => void;
}

export interface Requests {
  readonly ask: Ask;
  /** Performs a `respond` effect. */
  respond(request: RequestId, response: Response): void;
  /** Rejects everything that is still open, and all that comes. */
  stop(): void;
}

export class RuntimeStoppedError extends Error {
  override readonly name = "RuntimeStoppedError";
}

export function createRequests(submit: (input: Input) => void): Requests {
  const waiting = new NumberMap<Waiting>();
  let nextRequest = 1;
  let stopped = false;
  const stoppedError = (): Error => new RuntimeStoppedError("the runtime is shutting down");
  const clientGone = (): Error => new Error("the client went away");
  const take = (request: RequestId): Waiting | undefined => {
    const found = waiting.delete(request);
    found?.signal.removeEventListener("abort", found.onAbort);
    return found;
  };
  const ask = (question: Question, signal: Departure): Promise<Response> =>
    new Promise((resolve, reject) => {
      if (stopped) {
        reject(stoppedError());
        return;
      }
      if (signal.aborted) {
        reject(clientGone());
        return;
      }
      const request = nextRequest++;
      const onAbort = (): void => {
        take(request);
        submit({ kind: "forget-request", request });
        reject(clientGone());
      };
      waiting.set(request, { resolve, reject, signal, onAbort });
      signal.addEventListener("abort", onAbort);
      submit(numbered(question, request));
    });
  return {
    ask,
    respond: (request, response) => take(request)?.resolve(response),
    stop: () => {
      stopped = true;
      for (const request of waiting.keys()) take(request)?.reject(stoppedError());
    },
  };
}

/** By a literal where it is done for each call: see docs/performance.md, on spreads. */
function numbered(question: Question, request: RequestId): Input {
  if (question.kind !== "invoke") return { ...question, request };
  const { kind, mode, target, parameter, headers, idempotencyKey, delayMs, entropy } = question;
  return { kind, request, mode, target, parameter, headers, idempotencyKey, delayMs, entropy };
}
