import type { Target } from "../protocol/command.ts";
import type { InvocationId } from "../protocol/ids.ts";

/** The request that an invocation answers. */
export interface Request {
  /** `inv_...`: the same on every attempt. */
  readonly id: InvocationId;
  readonly target: Target;
  /** Headers of the HTTP request or of the call, names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The input before it was decoded. */
  readonly body: Uint8Array;
  readonly idempotencyKey: string | undefined;
  /**
   * Aborts when this attempt is over: it ended, was suspended, or lost its connection. For work that
   * runs beside ctx calls; a run has a signal of its own.
   */
  readonly attemptCompletedSignal: AbortSignal;
}

/** Randomness that is the same on every replay of an invocation. Not for secrets. */
export interface Rand {
  /** A number from 0 (included) to 1 (not included), like `Math.random`. */
  random(): number;
  /** A version 4 UUID: stable across replays, so it suits idempotency keys. */
  uuidv4(): string;
}

/** The clock of the runtime, recorded: the same time on every replay. */
export interface ContextDate {
  /** Milliseconds since 1970, like `Date.now()`. */
  now(): Promise<number>;
  /** The time as ISO 8601 text, like `new Date().toJSON()`. */
  toJSON(): Promise<string>;
}
