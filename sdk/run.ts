import type { Duration } from "./duration.ts";
import type { Serde } from "./serde.ts";

/** What the closure of `ctx.run` is given. */
export interface RunContext {
  /** Aborts when nobody wants the result any more: the attempt is over, or the worker shuts down. */
  readonly signal: AbortSignal;
  /**
   * The same for every try of this run, after every crash, and different for every other run. Send it
   * to the outside service (`Idempotency-Key`): a try that was cut off before its result was recorded
   * runs again, and this is how the service can tell.
   */
  readonly idempotencyToken: string;
  /** Number of this try: 1 for the first. */
  readonly attempt: number;
}

/**
 * The body of a `ctx.run`. It may do anything (network, files, clock, randomness) except use `ctx`.
 * Its result is recorded once, and never computed again after that.
 */
export type RunAction<T> = (run: RunContext) => Promise<T> | T;

/**
 * How a run is stored and retried. As soon as one of the retry options is set, the run has a policy of
 * its own, and fails with `TerminalError` (code 500, the last message) when that is exhausted. With none,
 * it is retried by the policy of its invocation.
 */
export interface RunOptions<T> {
  /** How the result becomes bytes. Default: the handler's `serde`, else JSON. */
  readonly serde?: Serde<T>;
  /** Tries in all, the first included. At least 1. Default: no limit. */
  readonly maxRetryAttempts?: number;
  /** Time from the first try after which there is no other one. Default: no limit. */
  readonly maxRetryDuration?: Duration;
  /** Wait after the first failure. Default 50 ms. */
  readonly initialRetryInterval?: Duration;
  /** Longest wait between two tries. Default 10 s. */
  readonly maxRetryInterval?: Duration;
  /** By what each wait is longer than the one before. At least 1. Default 2. */
  readonly retryIntervalFactor?: number;
}
