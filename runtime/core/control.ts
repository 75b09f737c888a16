/**
 * Cancel, kill, pause and resume, in every status.
 *
 * A cancellation of what never started ends it; else it is a delivery: the handler sees it, may
 * compensate, and may be cancelled again. It covers every command that was issued before it was
 * delivered: calls are cancelled, runs get no further go; also those that arrive later.
 * A kill ends the invocation and its tree of calls without asking any code.
 * A pause stops it where it is, with its key; what comes meanwhile is kept for when it is resumed.
 */
import { CANCELLED, KILLED } from "../../protocol/failure.ts";
import { appendDelivery } from "./journal.ts";
import { deliver } from "./deliver.ts";
import { finish } from "./finish.ts";
import { setStatus, type Invocation } from "./invocation.ts";
import { pendingPrefix, prefixEnd } from "./keys.ts";
import { leaveStatus } from "./leave-status.ts";
import { makeReady } from "./ready.ts";
import { decodePending } from "./rows.ts";
import { cancelRuns } from "./runs.ts";
import { changed, load, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";

export type Controlled =
  | "completed-already"
  | "ended"
  | "appended"
  | "paused"
  | "paused-already"
  | "pauses-when-ready"
  | "resumed"
  | "nothing-to-resume";

export function cancel(step: Step, invocation: Invocation): Controlled {
  if (invocation.status === "completed") return "completed-already";
  invocation.holdRequested = false;
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

export function pause(step: Step, invocation: Invocation): Controlled {
  switch (invocation.status) {
    case "completed":
      return "completed-already";
    case "paused":
      return "paused-already";
    case "scheduled":
    case "inboxed":
      // Its timer or its place in the inbox stays: it pauses when its turn comes, and holds the key.
      invocation.holdRequested = true;
      changed(step, invocation);
      return "pauses-when-ready";
    case "ready":
    case "running":
    case "suspended":
    case "backing-off":
      leaveStatus(step, invocation, "paused");
      setStatus(invocation, "paused", step.nowMs);
      invocation.nextAttemptAtMs = null;
      changed(step, invocation);
      return "paused";
  }
}

export function resume(step: Step, invocation: Invocation): Controlled {
  switch (invocation.status) {
    case "completed":
      return "completed-already";
    case "scheduled":
    case "inboxed":
      if (!invocation.holdRequested) return "nothing-to-resume";
      invocation.holdRequested = false;
      changed(step, invocation);
      return "resumed";
    case "paused":
      makeReady(step, invocation);
      return "resumed";
    case "backing-off":
      leaveStatus(step, invocation, null);
      makeReady(step, invocation);
      return "resumed";
    case "ready":
    case "running":
    case "suspended":
      return "nothing-to-resume";
  }
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
