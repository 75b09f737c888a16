import { fileURLToPath } from "node:url";
import { FailureCode } from "../../protocol/failure.ts";
import type { Result } from "../../protocol/payload.ts";

/** A result that no message could carry becomes a failure that says so. */
export function bounded(result: Result, bytesMax: number): Result {
  if (!result.ok || result.value.length <= bytesMax) return result;
  const message = `the result has ${result.value.length} bytes, the limit is ${bytesMax}: return less, or keep it elsewhere and return where`;
  const failure = { name: "TerminalError", message, code: FailureCode.payloadTooLarge };
  return { ok: false, failure };
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
