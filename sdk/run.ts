import type { RunMode } from "../protocol/command.ts";
import type { Duration } from "./duration.ts";
import type { Serde } from "./serde.ts";

/** What the closure of `ctx.run` is given. */
export interface RunContext {
  /**
   * Aborts when nobody wants the result any more: the attempt is over, or the worker shuts down. Made when
   * it is asked for, so name it: a spread of the whole leaves it out.
   */
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

/** What a probe found out. `value` is what the run's result would have been. */
export type ProbeAnswer<T> =
  { readonly happened: true; readonly value: T } | { readonly happened: false };

/**
 * Asks the outside whether the run of this `idempotencyToken` happened. Called before any second try of
 * its closure, and as often as that takes. Like a closure it may do anything except use `ctx`, and what
 * it throws is handled like what the closure throws.
 */
export type RunProbe<T> = (run: RunContext) => Promise<ProbeAnswer<T>> | ProbeAnswer<T>;

/**
 * How a run is stored and retried. As soon as one of the retry options is set, the run has a policy of
 * its own, and fails with `TerminalError` (code 500, the last message) when that is exhausted. With none,
 * it is retried by the policy of its invocation.
 *
 * `mode` says what becomes of a run whose outcome is unknown, since it was cut off (a crash, a lost
 * worker, a pause) or threw:
 *
 * - "at-least-once" (default): its closure runs again.
 * - "at-most-once": its closure never runs again. Cut off, it fails with `RunInterruptedError`; what it
 *   throws, it fails with. For what must not happen twice and cannot be asked for.
 * - "probe", implied by `probe`: the probe is asked first, and the closure runs again only if the run
 *   did not happen.
 *
 * No mode stops what is on its way: a closure whose worker hangs, and is taken for lost, may still be at
 * work. So an outside that can be asked should refuse a token that it has seen, too.
 *
 * The mode is recorded with the run: code that changes it changes only runs that are still to come.
 *
 * @example
 * await ctx.run("transfer", ({ idempotencyToken }) => bank.transfer(idempotencyToken, amount), {
 *   probe: async ({ idempotencyToken }) => {
 *     const transfer = await bank.find(idempotencyToken);
 *     return transfer ? { happened: true, value: transfer.id } : { happened: false };
 *   },
 * });
 */
export interface RunOptions<T> {
  /** How the result becomes bytes. Default: the handler's `serde`, else JSON. */
  readonly serde?: Serde<T>;
  /** What an unknown outcome leads to. Default "at-least-once", or "probe" if there is one. */
  readonly mode?: RunMode;
  /** Asked before a second try whether the run happened. Not for an at-most-once run. */
  readonly probe?: RunProbe<T>;
  /** Failed tries after which there is no other one; cut-off tries do not count. At least 1. Default: no limit. */
  readonly maxRetryAttempts?: number;
  /** Time from the first try after which there is no other one. Default: no limit. */
  readonly maxRetryDuration?: Duration;
  /** Wait after the first failure, never less than 10 ms. Default 50 ms. */
  readonly initialRetryInterval?: Duration;
  /** Longest wait between two tries. Default 10 s. */
  readonly maxRetryInterval?: Duration;
  /** By what each wait is longer than the one before. At least 1. Default 2. */
  readonly retryIntervalFactor?: number;
  /** Share of each wait by which it is made shorter or longer at random. 0 to 1. Default 0.2. */
  readonly retryJitter?: number;
  /**
   * What happens when no try is left: "fail" (default) rejects with `TerminalError`, "pause" pauses the
   * invocation until somebody resumes it, which gives the run all its tries anew.
   */
  readonly onMaxAttempts?: "fail" | "pause";
}
