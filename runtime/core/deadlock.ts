/**
 * Deadlocks: found as the last of the stuck invocations begins to wait, named, and broken.
 *
 * An invocation is **blocked** while its attempt is idle or suspended and all that is outstanding are
 * calls and attaches. It waits for their targets; and for the holder of a key where a target stands in
 * an inbox. The stuck ones are the largest set of blocked invocations that wait for nobody outside it.
 *
 * 1. A deadlock can only be completed by an invocation that becomes blocked, or by one whose start time
 *    has come and that has to queue for its key: nothing else takes a target's life away. So it is
 *    looked for then, from the first or from the holder of that key, and at no other time.
 * 2. All of what it waits for must be stuck, or it is not; so the first target that is alive ends the
 *    search. In most cases that is the first one looked at.
 * 3. The youngest call or attach that lies on a cycle fails with a 409 that names the cycle; a callee
 *    that it created and that has not started ends with the same 409. Whoever gets it is alive again.
 */
import { assert } from "../../protocol/assert.ts";
import { type Failure, FailureCode } from "../../protocol/failure.ts";
import { isQuarantined, readOr } from "./damage.ts";
import { answer, removePending } from "./deliver.ts";
import { finish, forgetSource } from "./finish.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import { lockKey, pendingKey, type Sequence, waiterKey } from "./keys.ts";
import { pendingsOf, readPending, type FoundPending } from "./pendings.ts";
import { decodeLock, decodeNumber } from "./rows.ts";
import { load, type Step } from "./step.ts";

/** One call or attach of a blocked invocation. */
interface Wait {
  readonly waiter: Invocation;
  readonly completionId: number;
  readonly target: Invocation;
  /** Who has to move first: the target, or the holder of the key that it is queued for. */
  readonly blocker: Invocation;
  /** Partition-wide order in which calls and attaches were made. */
  readonly order: number;
}

type Cycle = readonly [Wait, ...Wait[]];

/** To be called when `invocation` has become blocked. */
export function breakDeadlock(step: Step, invocation: Invocation): void {
  if (newestWaitIsAlive(step, invocation)) return;
  const waits = stuckFrom(step, invocation);
  if (waits === undefined) return;
  const cycle = youngestCycle(waits);
  const failure = deadlockOf(cycle);
  const [youngest] = cycle;
  step.effects.push({
    kind: "warn",
    when: "durable",
    demand: false,
    message: failure.message,
    facts: { invocation: invocationIdOf(youngest.waiter) },
  });
  failWait(step, youngest, failure);
}

/** To be called when `invocation`, which may have been waited for while it was scheduled, is queued. */
export function breakDeadlockBehind(step: Step, invocation: Invocation): void {
  const holder = holderOf(step, invocation);
  if (holder && isBlocked(step, holder)) breakDeadlock(step, holder);
}

/**
 * Whether what it asked for last is somebody alive: then nothing is stuck (2). Mostly that is so, and
 * one row tells it, where the search reads a range.
 */
function newestWaitIsAlive(step: Step, invocation: Invocation): boolean {
  const completionId = invocation.completionIdMax;
  const row = step.tx.get(pendingKey(invocation.sequence, completionId));
  return (
    row !== undefined && stuckWait(step, invocation, completionId, readPending(row)) === undefined
  );
}

/** All waits of the stuck set that `start` is part of; undefined when it waits for somebody alive. */
function stuckFrom(step: Step, start: Invocation): Wait[] | undefined {
  const waits: Wait[] = [];
  const seen = new Set<Sequence>([start.sequence]);
  const queue = [start];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const before = waits.length;
    for (const [completionId, pending] of pendingsOf(step.tx, next)) {
      const wait = stuckWait(step, next, completionId, pending);
      if (wait === undefined) return undefined;
      waits.push(wait);
      const { blocker } = wait;
      if (!seen.has(blocker.sequence)) queue.push(blocker);
      seen.add(blocker.sequence);
    }
    // What waits for nothing that we know of is not ours to judge.
    if (waits.length === before) return undefined;
  }
  return waits;
}

function stuckWait(
  step: Step,
  waiter: Invocation,
  completionId: number,
  pending: FoundPending,
): Wait | undefined {
  if (pending.kind !== "call" && pending.kind !== "attach") return undefined;
  const target = load(step, pending.kind === "call" ? pending.child : pending.target);
  const blocker = target && blockerOf(step, target);
  if (blocker === undefined || target === undefined) return undefined;
  const order =
    pending.kind === "call" ? target.sequence : attachOrder(step, waiter, completionId, target);
  return { waiter, completionId, target, blocker, order };
}

/** Undefined when the target, or whoever is before it, is alive. */
function blockerOf(step: Step, target: Invocation): Invocation | undefined {
  const blocker = target.status === "inboxed" ? holderOf(step, target) : target;
  return blocker && isBlocked(step, blocker) ? blocker : undefined;
}

/** Undefined when damage hides it: then it is none of a deadlock that anybody could name. */
function holderOf(step: Step, { target }: Invocation): Invocation | undefined {
  const row = step.tx.get(lockKey(target.service, target.key ?? ""));
  assert(row !== undefined, "a key with an inbox is held");
  const lock = readOr(() => decodeLock(row), undefined);
  const holder = lock && load(step, lock.holder);
  const hidden = lock === undefined || isQuarantined(step, lock.holder);
  assert(holder !== undefined || hidden, "a key is held by an invocation");
  return holder;
}

function isBlocked(step: Step, invocation: Invocation): boolean {
  switch (invocation.status) {
    case "running":
      return step.memory.attempts.get(invocation.sequence)?.idle ?? false;
    case "suspended":
      return invocation.waitsOnlyForOthers && invocation.nextAttemptAtMs === null;
    default:
      return false;
  }
}

function attachOrder(
  step: Step,
  waiter: Invocation,
  completionId: number,
  target: Invocation,
): number {
  const row = step.tx.get(waiterKey(target.sequence, waiter.sequence, completionId));
  assert(row !== undefined, "who attaches stands among the waiters of its target");
  return readOr(() => decodeNumber(row), 0);
}

function failWait(step: Step, wait: Wait, failure: Failure): void {
  const { waiter, completionId, target } = wait;
  const created =
    target.parent?.sequence === waiter.sequence && target.parent.completionId === completionId;
  if (created && target.status === "inboxed") {
    // Its end is the answer to the call.
    finish(step, target, { result: { ok: false, failure }, abort: null });
    return;
  }
  const pending = removePending(step, waiter, completionId);
  assert(pending !== undefined, "what a deadlock waits for is outstanding");
  forgetSource(step, waiter, completionId, pending);
  answer(step, waiter, completionId, { kind: "failure", failure });
}

/** A cycle of many is named by its first members: the graph of waits tells the rest. */
const NAMED_MAX = 8;

function deadlockOf(cycle: Cycle): Failure {
  const hops = cycle
    .slice(0, NAMED_MAX)
    .map(({ target, blocker }) =>
      target === blocker
        ? `waits for ${nameOf(target)}`
        : `waits for ${nameOf(target)}, which is queued behind ${nameOf(blocker)}`,
    );
  const more = cycle.length > NAMED_MAX ? `, and so on over ${cycle.length} calls` : "";
  const message = `deadlock: ${nameOf(cycle[0].waiter)} ${hops.join(", which ")}${more}. Make one of these calls a send, or a call with a timeout.`;
  return { name: "DeadlockError", message, code: FailureCode.conflict };
}

function nameOf(invocation: Invocation): string {
  const { service, handler, key } = invocation.target;
  const path = key === null ? `${service}/${handler}` : `${service}/${key}/${handler}`;
  return `${path} ${invocationIdOf(invocation)}`;
}

/** The cycle of the youngest wait that lies on one. Some do: each waits for another of a finite set. */
function youngestCycle(waits: readonly Wait[]): Cycle {
  const byWaiter = new Map<Sequence, Wait[]>();
  for (const wait of waits) {
    const others = byWaiter.get(wait.waiter.sequence);
    if (others) others.push(wait);
    else byWaiter.set(wait.waiter.sequence, [wait]);
  }
  for (const wait of [...waits].sort((a, b) => b.order - a.order)) {
    const cycle = cycleThrough(wait, byWaiter);
    if (cycle) return cycle;
  }
  throw new Error("who waits for nobody outside a finite set waits for itself");
}

/** The shortest way over waits from `first` back to whoever made it; undefined when there is none. */
function cycleThrough(
  first: Wait,
  byWaiter: ReadonlyMap<Sequence, readonly Wait[]>,
): Cycle | undefined {
  const cameBy = new Map<Sequence, Wait>();
  const queue = [first];
  for (let at = 0; at < queue.length; at++) {
    const wait = queue[at];
    assert(wait !== undefined, "the queue is read within its length");
    const { sequence } = wait.blocker;
    if (cameBy.has(sequence)) continue;
    cameBy.set(sequence, wait);
    if (sequence === first.waiter.sequence) return pathTo(sequence, first, cameBy);
    queue.push(...(byWaiter.get(sequence) ?? []));
  }
  return undefined;
}

/** From `first` on: each wait is followed by one of whoever it waits for. */
function pathTo(end: Sequence, first: Wait, cameBy: ReadonlyMap<Sequence, Wait>): Cycle {
  const path: Wait[] = [];
  let wait = cameBy.get(end);
  while (wait !== undefined && wait !== first) {
    path.unshift(wait);
    wait = cameBy.get(wait.waiter.sequence);
  }
  return [first, ...path];
}
