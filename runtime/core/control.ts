/**
 * Cancel, kill, pause and resume of an invocation, in every status.
 *
 * A cancellation of what never started ends it; else it is a delivery: the handler sees it, may
 * compensate, and may be cancelled again. It covers every command that was issued before it was
 * delivered, those that arrive later included: nobody waits for them any more, so calls are
 * cancelled, runs get no further go, and what else was outstanding is forgotten.
 * A kill ends the invocation and its tree of calls without asking any code.
 * A pause stops it where it is, with its key; what comes meanwhile is kept for when it is resumed.
 * A resume lets it go on, and ends every back-off: its own, and those of its runs.
 *
 * 1. A step touches one invocation and no tree: the calls below it are reached by timers that are
 *    due at once, so a chain of any length costs no stack, and a fan-out no giant batch.
 * 2. What was asked is durable with the answer; timers carry it on through a crash.
 * 3. Two cancellations between which nothing was recorded are one: so a journal takes one more entry
 *    than its limit at most, however often somebody asks.
 */
import { CANCELLED, KILLED } from "../../protocol/failure.ts";
import { readOr } from "./damage.ts";
import { deliver, removePending } from "./deliver.ts";
import { finish, forgetSource } from "./finish.ts";
import { withdrawFollower } from "./followers.ts";
import { entryReader } from "./history.ts";
import { setStatus, type Invocation } from "./invocation.ts";
import { appendDelivery, journalRows } from "./journal.ts";
import { pendingKey, pendingPrefix, readU32, type Sequence } from "./keys.ts";
import { leaveStatus } from "./leave-status.ts";
import { pendingsOf, readPending } from "./pendings.ts";
import { makeReady } from "./ready.ts";
import { decodeJournalEntry } from "./rows.ts";
import { cancelRuns, retryRuns } from "./runs.ts";
import { changed, load, type Step } from "./step.ts";
import { clearTimer, ensureTimer } from "./timers.ts";

/** Outstanding completions that one step looks at. */
const PENDING_BATCH = 256;

export type Controlled =
  | "completed-already"
  | "ended"
  | "appended"
  | "cancelled-already"
  | "paused"
  | "paused-already"
  | "pauses-when-ready"
  | "resumed"
  | "retries-runs"
  | "nothing-to-resume";

export function cancel(step: Step, invocation: Invocation): Controlled {
  if (invocation.status === "completed") return "completed-already";
  invocation.holdRequested = false;
  if (invocation.attempts === 0) {
    finish(step, invocation, { result: { ok: false, failure: CANCELLED }, abort: null });
    return "ended";
  }
  const again = endsWithCancellation(step, invocation);
  if (again && invocation.status === "running") return "cancelled-already";
  if (!again) {
    // Before anything wakes: an attempt that starts now must not be given a go for what is covered.
    invocation.cancelledAt = invocation.deliveries + 1;
    cancelRuns(step, invocation);
    dropCovered(step, invocation, invocation.completionIdMax);
  }
  wake(step, invocation, again);
  return "appended";
}

/** Its code has asked for nothing since it was cancelled, and nothing else came. */
function endsWithCancellation({ tx }: Step, invocation: Invocation): boolean {
  const { cancelledAt, deliveries, commands } = invocation;
  if (cancelledAt === 0 || cancelledAt !== deliveries) return false;
  const row = entryReader(tx, invocation)(commands + deliveries - 1);
  const last = row && readOr(() => decodeJournalEntry(row), undefined);
  return last?.kind === "delivery" && last.delivery.kind === "cancellation";
}

/** Forgets what a cancellation covers: what is outstanding, up to this completion id. */
export function dropCovered(step: Step, invocation: Invocation, upTo: number): void {
  if (invocation.pending === 0) return;
  const { sequence } = invocation;
  const rows = step.tx.range({
    from: pendingPrefix(sequence),
    to: `${pendingKey(sequence, upTo)}\0`,
    limit: PENDING_BATCH,
  });
  for (const [key, row] of rows) {
    const completionId = readU32(key, pendingPrefix(sequence).length);
    const pending = readPending(row);
    removePending(step, invocation, completionId);
    forgetSource(step, invocation, completionId, pending);
    if (pending.kind === "call") reachLater(step, pending.child, "cancel", 0);
  }
  if (rows.length === PENDING_BATCH) reachLater(step, sequence, "cancel", upTo);
}

export function kill(step: Step, invocation: Invocation): Controlled {
  if (invocation.status === "completed") return "completed-already";
  for (const child of openCalls(step, invocation)) reachLater(step, child, "kill", 0);
  invocation.pauseReason = null;
  finish(step, invocation, { result: { ok: false, failure: KILLED }, abort: "killed" });
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
      withdrawFollower(step, invocation);
      return "pauses-when-ready";
    case "ready":
    case "running":
    case "suspended":
    case "backing-off":
      leaveStatus(step, invocation, "paused");
      setStatus(invocation, "paused", step.nowMs);
      invocation.pauseReason = "asked";
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
      retryRuns(step, invocation);
      makeReady(step, invocation);
      return "resumed";
    case "suspended":
      if (!retryRuns(step, invocation)) return "nothing-to-resume";
      leaveStatus(step, invocation, null);
      makeReady(step, invocation);
      return "retries-runs";
    case "ready":
    case "running":
      return retryRuns(step, invocation) ? "retries-runs" : "nothing-to-resume";
  }
}

/** Appends the cancellation, unless it is there, and sees to it that an attempt takes notice, now. */
function wake(step: Step, invocation: Invocation, again: boolean): void {
  const { status, nextAttemptAtMs, sequence } = invocation;
  if (nextAttemptAtMs !== null) {
    const kind = status === "suspended" ? "resume" : "retry";
    clearTimer(step, { dueAtMs: nextAttemptAtMs, sequence, kind, id: 0 });
    invocation.nextAttemptAtMs = null;
    changed(step, invocation);
  }
  const live = status === "running" || status === "suspended";
  if (live) invocation.idleResumes = 0;
  if (live && !again) {
    deliver(step, invocation, { kind: "cancellation" });
    return;
  }
  if (!again) appendDelivery(step, invocation, { kind: "cancellation" });
  if (status === "suspended" || status === "backing-off" || status === "paused") {
    makeReady(step, invocation);
  }
}

function reachLater(step: Step, sequence: Sequence, kind: "cancel" | "kill", id: number): void {
  ensureTimer(step, { dueAtMs: step.nowMs, sequence, kind, id });
}

/** Calls whose callee may still be at work: those it waits for, and those that it had cancelled. */
function openCalls(step: Step, invocation: Invocation): Sequence[] {
  return invocation.cancelledAt > 0
    ? recordedCalls(step, invocation)
    : pendingCalls(step, invocation);
}

/** A cancellation has forgotten them, but the journal knows, as far as it can be read. */
function recordedCalls(step: Step, invocation: Invocation): Sequence[] {
  const children: Sequence[] = [];
  for (const row of journalRows(step.tx, invocation)) {
    const entry = readOr(() => decodeJournalEntry(row), undefined);
    if (entry?.kind !== "command" || entry.command.kind !== "call" || entry.child === null)
      continue;
    const child = load(step, entry.child);
    const isOwn = child?.parent?.sequence === invocation.sequence;
    if (isOwn && child.status !== "completed") children.push(entry.child);
  }
  return children;
}

function pendingCalls(step: Step, invocation: Invocation): Sequence[] {
  const children: Sequence[] = [];
  for (const [, pending] of pendingsOf(step.tx, invocation)) {
    if (pending.kind === "damaged") return recordedCalls(step, invocation);
    if (pending.kind === "call") children.push(pending.child);
  }
  return children;
}
