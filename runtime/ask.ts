/**
 * How HTTP puts a question to the state machine: the seam between ingress or admin and whoever
 * numbers requests, submits inputs to the loop and gets the `respond` effects.
 */
import type { Response } from "./core/effect.ts";
import type { Input } from "./core/input.ts";
import type { Departure } from "./http/client-signal.ts";

type Asked = Exclude<Extract<Input, { readonly request: number }>, { kind: "forget-request" }>;
type WithoutRequest<T> = T extends unknown ? Omit<T, "request"> : never;

/** An input that is answered by a `respond` effect, without its request number. */
export type Question = WithoutRequest<Asked>;

/**
 * Resolves when what the answer depends on is durable. When `signal` aborts, nobody waits any more:
 * the machine forgets the request, and the promise rejects or stays open. Rejects when the runtime
 * stops before it could answer.
 */
export type Ask = (question: Question, signal: Departure) => Promise<Response>;
