/**
 * Errors as user code throws them, and failures as they are journaled.
 *
 * 1. `fromFailure(toFailure(error))` is what user code sees the first time too, so that a first run
 *    and a replay see the same error.
 * 2. Nothing here throws, whatever was thrown: a getter that throws, a symbol, an error of 1 MB.
 */
import { type Failure, FailureCode, isFailureCode } from "../protocol/failure.ts";
import { cutText } from "../protocol/text.ts";
import {
  CancelledError,
  DeadlockError,
  RetryableError,
  RunInterruptedError,
  requireMetadata,
  TerminalError,
  TimeoutError,
} from "./errors.ts";
import { toWellFormed } from "./text.ts";

/** Longer messages are cut: a failure is journaled, listed and logged many times. */
const MESSAGE_LENGTH_MAX = 16_384;

/** True for what ends an invocation or a run for good. */
export function isTerminal(error: unknown): error is TerminalError {
  return error instanceof TerminalError;
}

/** Any thrown value as a failure. Code 500 unless the error says otherwise. */
export function toFailure(error: unknown): Failure {
  const name = textOf(() => (error instanceof Error ? error.name : "Error"), "Error");
  const message = textOf(
    () => (error instanceof Error ? error.message : `thrown: ${String(error)}`),
    "an error whose message cannot be read",
  );
  const known = error instanceof TerminalError || error instanceof RetryableError;
  const code = known && isFailureCode(error.code) ? error.code : FailureCode.internal;
  const metadata = error instanceof TerminalError ? metadataOf(error) : undefined;
  return metadata === undefined ? { name, message, code } : { name, message, code, metadata };
}

/** Left out when no failure could carry it: then somebody changed the error after it was made. */
function metadataOf({ metadata }: TerminalError): Failure["metadata"] {
  if (typeof metadata !== "object") return undefined;
  try {
    const pairs = Object.entries(requireMetadata(metadata) ?? {});
    return Object.fromEntries(
      pairs.map(([key, value]) => [toWellFormed(key), toWellFormed(value)]),
    );
  } catch {
    // The error itself is worth more than what hangs on it.
    return undefined;
  }
}

/** The error that user code sees for a journaled failure. */
export function fromFailure(failure: Failure): TerminalError {
  const { name, message, code } = failure;
  const options = failure.metadata === undefined ? {} : { metadata: failure.metadata };
  if (name === "CancelledError" && code === FailureCode.conflict) {
    return new CancelledError(message, options);
  }
  if (name === "TimeoutError" && code === FailureCode.timeout) {
    return new TimeoutError(message, options);
  }
  if (name === "DeadlockError" && code === FailureCode.conflict) {
    return new DeadlockError(message, options);
  }
  if (name === "RunInterruptedError" && code === FailureCode.internal) {
    return new RunInterruptedError(message, options);
  }
  // Another SDK or an older version may have journaled a code that this constructor refuses.
  const errorCode = isFailureCode(code) ? code : FailureCode.internal;
  const error = new TerminalError(message, { ...options, errorCode });
  error.name = name;
  return error;
}

/** How long an error asks to wait before the next try; `null` leaves it to the policy. */
export function retryAfterMsOf(error: unknown): number | null {
  const ms = error instanceof RetryableError ? error.retryAfterMs : undefined;
  return ms !== undefined && Number.isSafeInteger(ms) && ms >= 0 ? ms : null;
}

/** The stack with the stacks of its causes, for people. */
export function stackOf(error: unknown): string {
  return textOf(() => stacks(error).join("\ncaused by: "), "");
}

const CAUSES_MAX = 5;

function stacks(error: unknown): string[] {
  const lines: string[] = [];
  let current: unknown = error;
  while (current instanceof Error && lines.length < CAUSES_MAX) {
    lines.push(current.stack ?? `${current.name}: ${current.message}`);
    current = current.cause;
  }
  return lines;
}

function textOf(read: () => unknown, otherwise: string): string {
  let text: string;
  try {
    text = toWellFormed(String(read()));
  } catch {
    // The thrown value itself throws when it is read: what it says is lost, that it came is not.
    return otherwise;
  }
  return text.length <= MESSAGE_LENGTH_MAX ? text : `${cutText(text, MESSAGE_LENGTH_MAX)} (cut)`;
}
