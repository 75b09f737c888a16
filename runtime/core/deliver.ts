/**
 * Deliveries: what an invocation gets back. Each is appended to its journal and then handed to its
 * attempt, or wakes it, or waits for its next attempt.
 *
 * 1. While a run of the attempt is outstanding its closure may be reaching outside: it gets only
 *    what is durable.
 * 2. A completion id is completed once: its pending row is the permission, and goes with it.
 */
import type { CompletionId, CompletionResult, Delivery } from "../../protocol/command.ts";
import type { Result } from "../../protocol/payload.ts";
import { handOver } from "./hand-over.ts";
import type { Invocation } from "./invocation.ts";
import { appendDelivery } from "./journal.ts";
import { pendingKey } from "./keys.ts";
import { makeReady } from "./ready.ts";
import { readPending, type FoundPending } from "./pendings.ts";
import { encodePending, type Pending } from "./rows.ts";
import { changed, type Step } from "./step.ts";
import { setTimer } from "./timers.ts";

/** `sent` is what goes over the wire when it may be shorter than what is recorded. */
export function deliver(
  step: Step,
  invocation: Invocation,
  delivery: Delivery,
  sent: Delivery = delivery,
): void {
  const attempt = step.memory.attempts.get(invocation.sequence);
  if (attempt) {
    handOver(step, attempt, delivery, sent);
    return;
  }
  appendDelivery(step, invocation, delivery);
  if (invocation.status === "suspended") resume(step, invocation);
}

export function answer(
  step: Step,
  invocation: Invocation,
  completionId: CompletionId,
  result: CompletionResult,
): void {
  deliver(step, invocation, { kind: "completion", completionId, result });
}

/** Completes what is outstanding; a completion id that is not (any more) changes nothing. */
export function complete(
  step: Step,
  invocation: Invocation,
  completionId: CompletionId,
  result: CompletionResult,
): boolean {
  if (!takePending(step, invocation, completionId)) return false;
  answer(step, invocation, completionId, result);
  return true;
}

/** Right after its command was appended: the row says where in the journal that stands. */
export function addPending(
  step: Step,
  invocation: Invocation,
  completionId: CompletionId,
  pending: Pending,
): void {
  const entry = invocation.commands + invocation.deliveries - 1;
  step.tx.insert(pendingKey(invocation.sequence, completionId), encodePending(pending, entry));
  invocation.pending++;
  changed(step, invocation);
}

export function removePending(
  step: Step,
  invocation: Invocation,
  completionId: CompletionId,
): FoundPending | undefined {
  const row = takePending(step, invocation, completionId);
  return row && readPending(row);
}

/** Gives its row: mostly it is enough that there is one. */
function takePending(
  step: Step,
  invocation: Invocation,
  completionId: CompletionId,
): Uint8Array | undefined {
  if (invocation.pending === 0) return undefined;
  const key = pendingKey(invocation.sequence, completionId);
  const row = step.tx.get(key);
  if (row === undefined) return undefined;
  step.tx.remove(key);
  invocation.pending--;
  changed(step, invocation);
  return row;
}

export function asCompletion(result: Result): CompletionResult {
  return result.ok
    ? { kind: "value", value: result.value }
    : { kind: "failure", failure: result.failure };
}

const RESUME_INITIAL_MS = 10;
const RESUME_MAX_MS = 1_000;

/**
 * A suspended invocation goes on: at once, or after a pause if its last resumes led to nothing, so
 * that a thousand completions do not cost a thousand replays.
 */
export function resume(step: Step, invocation: Invocation): void {
  if (invocation.idleResumes < 2) {
    makeReady(step, invocation);
    return;
  }
  if (invocation.nextAttemptAtMs !== null) return;
  const delayMs = Math.min(RESUME_INITIAL_MS * 2 ** (invocation.idleResumes - 2), RESUME_MAX_MS);
  invocation.nextAttemptAtMs = step.nowMs + delayMs;
  changed(step, invocation);
  const { sequence } = invocation;
  setTimer(step, { dueAtMs: invocation.nextAttemptAtMs, sequence, kind: "resume", id: 0 });
}
