/**
 * One at a time per key, in the order of acceptance.
 *
 * 1. The lock row names the holder; it is there exactly while somebody holds the key.
 * 2. Only a key that is held has inbox rows; `waiting` in the lock counts them.
 * 3. A damaged lock is held all the same, by whom nobody can say: the inbox is counted as it is
 *    released.
 * 4. Release hands the key to the oldest row of its inbox in the same step. Whoever was announced to a
 *    worker as the next one (followers.ts) is in the inbox like all others, and is void if it is not that one.
 */
import { assert } from "../../protocol/assert.ts";
import { isQuarantined, readOr, tryRead, warnDamage } from "./damage.ts";
import { voidFollowers, withdrawFollower, type Handover } from "./followers.ts";
import { invocationIdOf, setStatus, takesKey, type Invocation } from "./invocation.ts";
import { inboxKey, inboxPrefix, lockKey, NEXT_SEQUENCE, prefixEnd, readU48 } from "./keys.ts";
import { makeReady } from "./ready.ts";
import { decodeLock, decodeNumber, encodeLock, encodeNumber } from "./rows.ts";
import { changed, load, takeSequence, type Step } from "./step.ts";
import { DamagedRowError, type RowKey } from "./tx.ts";

const COUNT_BATCH = 1_000;

/** Lets an accepted invocation start: at once, or when its turn on its key comes. */
export function enqueue(step: Step, invocation: Invocation): void {
  if (!takesKey(invocation)) {
    makeReady(step, invocation);
    return;
  }
  const { service, key } = addressOf(invocation);
  const lock = lockKey(service, key);
  const row = readLock(step, lock);
  if (row === undefined) {
    step.memory.keys.setFree(lock, false);
    step.tx.insert(
      lock,
      encodeLock({ holder: invocation.sequence, waiting: 0, sinceMs: step.nowMs }),
    );
    makeReady(step, invocation);
    return;
  }
  addWaiting(step, lock, row, 1);
  invocation.inboxOrder = nextSequence(step);
  step.tx.insert(inboxKey(service, key, invocation.inboxOrder), encodeNumber(invocation.sequence));
  if (invocation.status !== "inboxed") setStatus(invocation, "inboxed", step.nowMs);
  changed(step, invocation);
}

/** The holder is done: the next in the inbox takes the key. */
export function releaseKey(step: Step, invocation: Invocation, handover?: Handover): void {
  const { service, key } = addressOf(invocation);
  const lock = lockKey(service, key);
  const row = step.tx.get(lock);
  assert(row !== undefined, `${invocationIdOf(invocation)} releases a key that nobody holds`);
  const held = readOr(() => decodeLock(row), undefined);
  assert(
    held === undefined || held.holder === invocation.sequence,
    `the key is held by another invocation: ${String(held?.holder)}`,
  );
  const next = takeNext(step, { service, key }, held?.waiting ?? countInbox(step, service, key));
  if (next === undefined) {
    step.tx.remove(lock);
    step.memory.keys.setFree(lock, true);
  } else {
    const { waiting } = next;
    const holder = next.invocation.sequence;
    step.tx.put(lock, encodeLock({ holder, waiting, sinceMs: step.nowMs }));
    if (handover) handover.waiting = waiting;
    makeReady(step, next.invocation, handover);
  }
  // Those that nobody took: somebody else was next, or it could not start there and then.
  if (handover) voidFollowers(step, handover.connection, invocation, handover.followers);
}

/** The oldest of an inbox, and how many wait behind it. */
function takeNext(
  step: Step,
  { service, key }: { readonly service: string; readonly key: string },
  waiting: number,
): { readonly invocation: Invocation; readonly waiting: number } | undefined {
  for (let left = waiting - 1; left >= 0; left--) {
    const invocation = takeFirst(step, service, key);
    if (invocation === undefined) continue;
    invocation.inboxOrder = 0;
    return { invocation, waiting: left };
  }
  return undefined;
}

/** Undefined when damage hides who has the first place: then that is given up. */
function takeFirst(step: Step, service: string, key: string): Invocation | undefined {
  const prefix = inboxPrefix(service, key);
  const { keys } = step.memory;
  const lock = lockKey(service, key);
  const from = inboxKey(service, key, keys.inboxFrom(lock));
  const [first] = step.tx.range({ from, to: prefixEnd(prefix), limit: 1 });
  assert(first !== undefined, "invocations wait for a key whose inbox is empty");
  const [place, row] = first;
  const order = readU48(place, prefix.length);
  step.tx.remove(place);
  keys.setInboxFrom(lock, order + 1);
  const named = tryRead(() => decodeNumber(row));
  if (named instanceof DamagedRowError) return takeNameless(step, order, named);
  const next = load(step, named);
  if (next === undefined && isQuarantined(step, named)) return undefined;
  assert(next?.status === "inboxed", "a row in an inbox belongs to an inboxed invocation");
  assert(next.inboxOrder === order, "an inbox row is at its own place");
  return next;
}

/**
 * Whoever entered an inbox as it was accepted has the number before that of its place. One that came
 * by a timer has not: nobody knows which it is, so it waits until somebody cancels or kills it.
 */
function takeNameless(
  step: Step,
  order: number,
  { message }: DamagedRowError,
): Invocation | undefined {
  const likely = load(step, order - 1);
  if (likely?.status === "inboxed" && likely.inboxOrder === order) return likely;
  warnDamage(step, message, PASSED_OVER);
  return undefined;
}

const PASSED_OVER = "who waited at this place of an inbox is passed over: kill it, and call again";

function countInbox({ tx }: Step, service: string, key: string): number {
  const prefix = inboxPrefix(service, key);
  const to = prefixEnd(prefix);
  let from = prefix;
  for (let count = 0; ;) {
    const rows = tx.range({ from, to, limit: COUNT_BATCH });
    count += rows.length;
    const last = rows.at(-1);
    if (rows.length < COUNT_BATCH || last === undefined) return count;
    from = `${last[0]}\0`;
  }
}

/** A damaged lock says nothing to be counted on: its key is held, and at the release it is made anew. */
function addWaiting(step: Step, lock: string, row: Uint8Array, by: 1 | -1): void {
  const held = tryRead(() => decodeLock(row));
  if (held instanceof DamagedRowError) {
    warnDamage(step, held.message, LOCK_ANEW);
    return;
  }
  const { holder, waiting, sinceMs } = held;
  step.tx.put(lock, encodeLock({ holder, waiting: waiting + by, sinceMs }));
}
const LOCK_ANEW =
  "its key stays held, new calls wait in its inbox, and when its holder ends the next one follows";

/** Takes an invocation that never started out of the inbox. */
export function leaveInbox(step: Step, invocation: Invocation): void {
  withdrawFollower(step, invocation);
  const { service, key } = addressOf(invocation);
  const place = inboxKey(service, key, invocation.inboxOrder);
  invocation.inboxOrder = 0;
  changed(step, invocation);
  // Damage can have taken its place from it.
  if (step.tx.get(place) === undefined) return;
  step.tx.remove(place);
  const lock = lockKey(service, key);
  const row = step.tx.get(lock);
  assert(row !== undefined, "a key with an inbox is held");
  addWaiting(step, lock, row, -1);
}

/** The lock row; undefined when nobody holds the key. */
export function readLock({ tx, memory: { keys } }: Step, lock: RowKey): Uint8Array | undefined {
  if (keys.isFree(lock)) return undefined;
  const row = tx.get(lock);
  if (row === undefined) keys.setFree(lock, true);
  return row;
}

/** The next number of this partition: of an invocation, or of a place in an inbox. */
export function nextSequence(step: Step): number {
  return takeSequence(step, (bound) => step.tx.put(NEXT_SEQUENCE, encodeNumber(bound)));
}

function addressOf(invocation: Invocation): { service: string; key: string } {
  const { service, key } = invocation.target;
  assert(key !== null && takesKey(invocation), "only exclusive handlers of objects take a key");
  return { service, key };
}
