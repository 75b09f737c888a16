import { FailureCode, isFailureCode } from "../protocol/failure.ts";
import { METADATA_MAX, TEXT_BYTES_MAX } from "../protocol/wire-limits.ts";
import { type Duration, durationToMs } from "./duration.ts";

/** What a {@link TerminalError} may be given besides its message. */
export interface TerminalErrorOptions {
  /** HTTP status that an ingress caller sees, 400 to 599. Default 500. */
  readonly errorCode?: number;
  /** Facts for the caller's code. Journaled, and part of the HTTP answer. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Kept on this error object; never journaled, and gone after a replay. */
  readonly cause?: unknown;
}

/**
 * Ends an invocation, or a `ctx.run`, for good: it is not retried, and the caller gets this error.
 * Any other error thrown by a handler is retried.
 *
 * What crosses the journal is name, message, code and metadata. A subclass of your own comes back
 * as a `TerminalError` with the same `name`: tell errors apart by `name` or `code`.
 *
 * @throws RangeError when `errorCode` is not a whole number from 400 to 599
 * @throws TypeError when `metadata` holds something else than strings
 * @throws RangeError when `metadata` has more than 1,000 members or 256 KiB
 * @example throw new TerminalError("no such account", { errorCode: 404 });
 */
export class TerminalError extends Error {
  override name = "TerminalError";
  readonly code: number;
  readonly metadata: Readonly<Record<string, string>> | undefined;

  constructor(message: string, options: TerminalErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = requireErrorCode(options.errorCode ?? FailureCode.internal);
    this.metadata = requireMetadata(options.metadata);
  }
}

/**
 * The invocation was cancelled, or the callee it waited for was: code 409, "Cancelled".
 * Catch it to compensate, then throw it on; while the handler runs on, ctx works as before.
 */
export class CancelledError extends TerminalError {
  override name = "CancelledError";

  constructor(message = "Cancelled", options: Omit<TerminalErrorOptions, "errorCode"> = {}) {
    super(message, { ...options, errorCode: FailureCode.conflict });
  }
}

/** The time given to `.orTimeout()` was over first: code 408, "Timeout occurred". */
export class TimeoutError extends TerminalError {
  override name = "TimeoutError";

  constructor(message = "Timeout occurred", options: Omit<TerminalErrorOptions, "errorCode"> = {}) {
    super(message, { ...options, errorCode: FailureCode.timeout });
  }
}

/**
 * The call could never have come back: its callee waits, over any number of calls and keys, for this
 * very invocation. Code 409; the message names the cycle. Catch it to go another way, or let it end the
 * invocation; to avoid it, make one of the calls a send, or give it an `.orTimeout()`.
 *
 * @example
 * const balance = await ctx.objectClient(account, other).balance().catch((error: unknown) => {
 *   if (error instanceof DeadlockError) return undefined;
 *   throw error;
 * });
 */
export class DeadlockError extends TerminalError {
  override name = "DeadlockError";

  constructor(message = "deadlock", options: Omit<TerminalErrorOptions, "errorCode"> = {}) {
    super(message, { ...options, errorCode: FailureCode.conflict });
  }
}

/**
 * An at-most-once `ctx.run` was cut off before its result was recorded: code 500. It may or may not
 * have happened, and does not start again. Ask the outside by `idempotencyToken`, which is what the
 * closure was given, and go on from the answer.
 *
 * @example
 * try { await ctx.run("charge", charge, { mode: "at-most-once" }); }
 * catch (error) {
 *   if (!(error instanceof RunInterruptedError)) throw error;
 *   await ctx.run("ask a person", () => tickets.open(`charged or not? ${error.idempotencyToken}`));
 * }
 */
export class RunInterruptedError extends TerminalError {
  override name = "RunInterruptedError";

  constructor(message: string, options: Omit<TerminalErrorOptions, "errorCode"> = {}) {
    super(message, { ...options, errorCode: FailureCode.internal });
  }

  /** Name of the run. */
  get run(): string {
    return this.metadata?.["run"] ?? "";
  }

  /** What the closure was given to send to the outside. */
  get idempotencyToken(): string {
    return this.metadata?.["idempotencyToken"] ?? "";
  }
}

/** What a {@link RetryableError} may be given besides its message. */
export interface RetryableErrorOptions {
  /** Wait this long before the next try, at least 10 ms. Default: what the retry policy says. */
  readonly retryAfter?: Duration;
  /** Code under which the failure is shown while it is retried. Default 500. */
  readonly errorCode?: number;
  /** Kept on this error object; never journaled. */
  readonly cause?: unknown;
}

/**
 * Asks for a retry after a given time, in place of the one that the retry policy would choose:
 * for a `Retry-After` that an outside service sent. It counts as a try like any other error.
 *
 * @throws RangeError when `retryAfter` is no duration or `errorCode` is not from 400 to 599
 * @example throw new RetryableError("rate limited", { retryAfter: { seconds: 30 } });
 */
export class RetryableError extends Error {
  override name = "RetryableError";
  readonly code: number;
  /** `undefined`: the retry policy decides. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: RetryableErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = requireErrorCode(options.errorCode ?? FailureCode.internal);
    this.retryAfterMs =
      options.retryAfter === undefined
        ? undefined
        : durationToMs(options.retryAfter, "retryAfter of RetryableError");
  }

  /**
   * Wraps any thrown value: its message is kept, and it becomes the `cause`.
   *
   * @example catch (error) { throw RetryableError.from(error, { retryAfter: { seconds: 5 } }); }
   */
  static from(cause: unknown, options: Omit<RetryableErrorOptions, "cause"> = {}): RetryableError {
    const message = cause instanceof Error ? cause.message : String(cause);
    return new RetryableError(message, { ...options, cause });
  }
}

function requireErrorCode(code: number): number {
  if (!isFailureCode(code)) {
    throw new RangeError(
      `errorCode must be an HTTP status from 400 to 599, got ${String(code)}: leave it out for 500`,
    );
  }
  return code;
}

/** @throws for what no failure could carry */
export function requireMetadata(
  metadata: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  if (metadata === undefined) return undefined;
  const members = Object.entries(metadata);
  if (members.length > METADATA_MAX) {
    throw new RangeError(
      `metadata of an error has ${members.length} members, the limit is ${METADATA_MAX}`,
    );
  }
  let bytes = 0;
  for (const [name, value] of members) {
    if (typeof value !== "string") {
      throw new TypeError(`metadata of an error holds strings only, "${name}" is ${typeof value}`);
    }
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > TEXT_BYTES_MAX) {
    throw new RangeError(
      `metadata of an error has ${bytes} bytes, the limit is ${TEXT_BYTES_MAX}: keep it elsewhere, and give where`,
    );
  }
  return { ...metadata };
}
