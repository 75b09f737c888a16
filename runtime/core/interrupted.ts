import type { Failure } from "../../protocol/failure.ts";
import { FailureCode } from "../../protocol/failure.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import type { Run } from "./rows.ts";

/** What an at-most-once run fails with whose one try was cut off: nobody here knows what became of it. */
export function interrupted(invocation: Invocation, index: number, run: Run): Failure {
  // As the SDK gives it to the closure.
  const idempotencyToken = `${invocationIdOf(invocation)}-${index}`;
  const message =
    `run "${run.name}" was interrupted: it had started and its result was not recorded, so it may or may not have happened. ` +
    `It is at-most-once and does not start again; ask the outside, by its idempotency token ${idempotencyToken}`;
  const metadata = { run: run.name, idempotencyToken };
  return { name: "RunInterruptedError", message, code: FailureCode.internal, metadata };
}
