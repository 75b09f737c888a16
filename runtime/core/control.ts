/**
 * Cancel and kill, in every status.
 *
 * A cancellation of what never started ends it; else it is a delivery: the handler sees it, may
 * compensate, and may be cancelled again. It covers every command that was issued before it was
 * delivered: calls are cancelled, runs get no further go; also those that arrive later.
 * A kill ends the invocation and its tree of calls without asking any code.
 */
import { CANCELLED, KILLED } from "../../protocol/failure.ts";
import { appendDelivery } from "./journal.ts";
import { deliver } from "./deliver.ts";
import { finish } from "./finish.ts";
import type { Invocation } from "./invocation.ts";
import { pendingPrefix, prefixEnd } from "./keys.ts";
import { makeReady } from "./ready.ts";
import { decodePending } from "./rows.ts";
import { cancelRuns } from "./runs.ts";
import { load, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";

export type Controlled = "completed-already" | "ended" | "appended";

export function cancel(step: Step, invocation: Invocation): Controlled {
  if (invocation.status === "completed") return "completed-already";
  if (neverStarted(invocation)) {
    finish(step, invocation, { result: { ok: false, failure: CANCELLED }, abort: null });
    return "ended";
  }
  const children = pendingCalls(step, invocation);
  // Before anything wakes: an attempt that starts now must not be given a go for what is covered.
  invocation.cancelledAt = invocation.deliveries + 1;
  cancelRuns(step, invocation);
  wake(step, invocation);
  for (const child of children) cancel(step, child);
  return "appended";
}

export function kill(step: Step, invocation: Invocation): Controlled {
  if (invocation.status === "completed") return "completed-already";
  const children = pendingCalls(step, invocation);
  finish(step, invocation, { result: { ok: false, failure: KILLED }, abort: "killed" });
  for (const child of children) kill(step, child);
  return "ended";
}

function neverStarted({ status, attempts }: Invocation): boolean {
  return attempts === 0 && (status === "scheduled" || status === "inboxed" || status === "ready");
}

/** Appends the cancellation and sees to it that an attempt takes notice, now. */
function wake(step: Step, invocation: Invocation): void {
  const { status, nextAttemptAtMs, sequence } = invocation;
  if (nextAttemptAtMs !== null) {
    const kind = status === "suspended" ? "resume" : "retry";
    clearTimer(step, { dueAtMs: nextAttemptAtMs, sequence, kind, id: 0 });
    invocation.nextAttemptAtMs = null;
  }
  if (status === "running" || status === "suspended") {
    invocation.idleResumes = 0;
    deliver(step, invocation, { kind: "cancellation" });
    return;
  }
  appendDelivery(step, invocation, { kind: "cancellation" });
  if (status === "backing-off" || status === "paused") makeReady(step, invocation);
}

function pendingCalls(step: Step, invocation: Invocation): Invocation[] {
  if (invocation.pending === 0) return [];
  const prefix = pendingPrefix(invocation.sequence);
  const limit = invocation.pending;
  const children: Invocation[] = [];
  for (const [, row] of step.tx.range({ from: prefix, to: prefixEnd(prefix), limit })) {
    const pending = decodePending(row);
    const child = pending.kind === "call" ? load(step, pending.child) : undefined;
    if (child && child.status !== "completed") children.push(child);
  }
  return children;
}
