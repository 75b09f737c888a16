/**
 * The end of an invocation: outcome, key, everything it left outstanding, everybody who waited.
 * One step, one batch: nobody can see half of it.
 */
import { countEnded } from "./counts.ts";
import { asCompletion, complete, removePending } from "./deliver.ts";
import { handoverOf } from "./followers.ts";
import { releaseKey } from "./inbox.ts";
import { invocationIdOf, setStatus, takesKey, type Invocation } from "./invocation.ts";
import { prefixEnd, promiseWaiterKey, readU32, readU48, waiterKey, waiterPrefix } from "./keys.ts";
import { handlerOf } from "./registry.ts";
import { leaveStatus } from "./leave-status.ts";
import { pendingsOf, type FoundPending } from "./pendings.ts";
import { retain } from "./retention.ts";
import { removeRuns } from "./run-rows.ts";
import { seal } from "./seal.ts";
import { changed, load, respond, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";
import type { HandlerManifest } from "../../protocol/manifest.ts";
import type { Result } from "../../protocol/payload.ts";

export interface Finish {
  readonly result: Result;
  /** Reason told to the worker if an attempt is still running; null when the attempt ended it. */
  readonly abort: string | null;
}

export function finish(step: Step, invocation: Invocation, { result, abort }: Finish): void {
  const held = holdsKey(invocation);
  // What the attempt that ended it leaves to the next one; nothing when it is ended by others.
  const ended = abort === null ? step.memory.attempts.get(invocation.sequence) : undefined;
  const handover = held && ended ? handoverOf(ended) : undefined;
  // As its own deployment announced it: once the attempt is gone, only the latest one is known.
  const handler = handlerOf(step, invocation);
  const kept = step.memory.attempts.get(invocation.sequence)?.kept;
  leaveStatus(step, invocation, abort);
  removeAllPending(step, invocation);
  removeRuns(step, invocation);
  setStatus(invocation, "completed", step.nowMs);
  countEnded(step, invocation.deployment);
  invocation.completedAtMs = step.nowMs;
  invocation.nextAttemptAtMs = null;
  const contentType = contentTypeOf(handler, result);
  // What has failed is kept as it was: its journal is all that says how far it came.
  const shortRows = result.ok ? ended?.shortRows : undefined;
  seal(step, invocation, { result, contentType }, { kept, shortRows });
  retain(step, invocation, handler);
  changed(step, invocation);
  if (held) releaseKey(step, invocation, handover);
  tellParent(step, invocation, result);
  tellAttached(step, invocation, result);
  answerRequests(step, invocation, result, contentType);
}

function holdsKey(invocation: Invocation): boolean {
  const { status } = invocation;
  return takesKey(invocation) && status !== "scheduled" && status !== "inboxed";
}

function removeAllPending(step: Step, invocation: Invocation): void {
  if (invocation.pending === 0) return;
  for (const [completionId, pending] of pendingsOf(step.tx, invocation)) {
    removePending(step, invocation, completionId);
    forgetSource(step, invocation, completionId, pending);
  }
}

/** Takes back what would complete it, so that nothing points at an invocation that has ended. */
export function forgetSource(
  step: Step,
  invocation: Invocation,
  completionId: number,
  pending: FoundPending,
): void {
  const { sequence, target } = invocation;
  switch (pending.kind) {
    case "sleep":
      clearTimer(step, { dueAtMs: pending.dueAtMs, sequence, kind: "sleep", id: completionId });
      return;
    case "attach":
      step.tx.remove(waiterKey(pending.target, sequence, completionId));
      return;
    case "promise": {
      const at = { service: target.service, key: target.key ?? "", name: pending.name };
      step.tx.remove(promiseWaiterKey(at, sequence, completionId));
      return;
    }
    // A child goes on; it finds nobody waiting when it ends.
    case "call":
    case "awakeable":
    // It finds nobody waiting either, whatever it is.
    case "damaged":
      return;
  }
}

function contentTypeOf(handler: HandlerManifest | undefined, result: Result): string {
  if (!result.ok || result.value.length === 0) return "";
  return handler?.outputContentType ?? "application/json";
}

function tellParent(step: Step, invocation: Invocation, result: Result): void {
  const { parent } = invocation;
  if (parent === null) return;
  const waiting = load(step, parent.sequence);
  if (waiting === undefined || waiting.status === "completed") return;
  complete(step, waiting, parent.completionId, asCompletion(result));
}

const ATTACHED_BATCH = 256;

function tellAttached(step: Step, invocation: Invocation, result: Result): void {
  if (!invocation.waitedFor) return;
  const prefix = waiterPrefix(invocation.sequence);
  const to = prefixEnd(prefix);
  for (;;) {
    const rows = step.tx.range({ from: prefix, to, limit: ATTACHED_BATCH });
    for (const [key] of rows) {
      step.tx.remove(key);
      const waiting = load(step, readU48(key, prefix.length));
      if (waiting === undefined) continue;
      complete(step, waiting, readU32(key, prefix.length + 6), asCompletion(result));
    }
    if (rows.length < ATTACHED_BATCH) return;
  }
}

function answerRequests(
  step: Step,
  invocation: Invocation,
  result: Result,
  contentType: string,
): void {
  const found = step.memory.waiting.delete(invocation.sequence);
  if (found === undefined) return;
  const invocationId = invocationIdOf(invocation);
  for (const request of found.requests) {
    step.memory.waitsFor.delete(request);
    const expiresAtMs = null;
    respond(step, request, { kind: "completed", invocationId, result, contentType, expiresAtMs });
  }
}
