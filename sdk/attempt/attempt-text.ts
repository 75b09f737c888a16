import { fileURLToPath } from "node:url";
import { type Failure, FailureCode } from "../../protocol/failure.ts";
import type { Result } from "../../protocol/payload.ts";

/** A result that no message could carry becomes a failure that says so. */
export function bounded(result: Result, bytesMax: number): Result {
  if (!result.ok || result.value.length <= bytesMax) return result;
  const message = `the result has ${result.value.length} bytes, the limit is ${bytesMax}: return less, or keep it elsewhere and return where`;
  const failure = { name: "TerminalError", message, code: FailureCode.payloadTooLarge };
  return { ok: false, failure };
}

/** The recorded mode of a run rules; it cannot when what it needs is no longer in the code. */
export function missingProbe(command: number, name: string): Failure {
  const message =
    `the code does not match its journal at command ${command}. Recorded there: run "${name}" with a probe, ` +
    "which has to be asked before a second try; the code now has none. " +
    "Nothing was damaged: the invocation goes on once code with the probe is connected.";
  return { name: "JournalMismatchError", message, code: FailureCode.journalMismatch };
}

export function silenceFailure(timeoutMs: number): Failure {
  const message =
    `nothing has happened for ${timeoutMs} ms: the handler awaits something that is not a promise of ctx, and that has not come. ` +
    "Put what reaches outside into ctx.run, with a timeout of its own; abortTimeout sets this limit.";
  return { name: "AbortTimeoutError", message, code: FailureCode.internal };
}

const OWN_FILES = fileURLToPath(new URL("..", import.meta.url));
const STACK_FRAMES = 50;

/** Where user code called the SDK: ", at cart.ts:12:5", or "" when it cannot be told. */
export function callerLine(): string {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_FRAMES;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = before;
  const own = (line: string): boolean => line.includes(OWN_FILES) || /node:|<anonymous>/.test(line);
  const line = stack.split("\n").find((it) => it.startsWith("    at ") && !own(it));
  return line === undefined ? "" : `, ${line.trim()}`;
}

/** For an end that is none of anybody's mistakes: to find out where it came about costs two microseconds. */
export function errorWithoutStack(message: string): Error {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const error = new Error(message);
  Error.stackTraceLimit = before;
  return error;
}
