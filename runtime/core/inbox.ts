/**
 * One at a time per key, in the order of acceptance.
 *
 * 1. The lock row names the holder; it is there exactly while somebody holds the key.
 * 2. Only a key that is held has inbox rows; `waiting` in the lock counts them.
 * 3. Release hands the key to the oldest row of its inbox in the same step.
 */
import { assert } from "../../protocol/assert.ts";
import { invocationIdOf, setStatus, takesKey, type Invocation } from "./invocation.ts";
import { inboxKey, inboxPrefix, lockKey, NEXT_SEQUENCE, prefixEnd, readU48 } from "./keys.ts";
import { makeReady } from "./ready.ts";
import { decodeLock, decodeNumber, encodeLock, encodeNumber } from "./rows.ts";
import { changed, load, takeSequence, type Step } from "./step.ts";
import type { RowKey } from "./tx.ts";

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
  const held = decodeLock(row);
  step.tx.put(lock, encodeLock({ ...held, waiting: held.waiting + 1 }));
  invocation.inboxOrder = nextSequence(step);
  step.tx.insert(inboxKey(service, key, invocation.inboxOrder), encodeNumber(invocation.sequence));
  if (invocation.status !== "inboxed") setStatus(invocation, "inboxed", step.nowMs);
  changed(step, invocation);
}

/** The holder is done: the next in the inbox takes the key. */
export function releaseKey(step: Step, invocation: Invocation): void {
  const { service, key } = addressOf(invocation);
  const lock = lockKey(service, key);
  const row = step.tx.get(lock);
  assert(row !== undefined, `${invocationIdOf(invocation)} releases a key that nobody holds`);
  const { holder, waiting } = decodeLock(row);
  assert(holder === invocation.sequence, `the key is held by another invocation: ${holder}`);
  if (waiting === 0) {
    step.tx.remove(lock);
    step.memory.keys.setFree(lock, true);
    return;
  }
  const prefix = inboxPrefix(service, key);
  const { keys } = step.memory;
  const from = inboxKey(service, key, keys.inboxFrom(lock));
  const [first] = step.tx.range({ from, to: prefixEnd(prefix), limit: 1 });
  assert(first !== undefined, `${waiting} invocations wait for a key whose inbox is empty`);
  step.tx.remove(first[0]);
  const next = load(step, decodeNumber(first[1]));
  assert(next?.status === "inboxed", "a row in an inbox belongs to an inboxed invocation");
  assert(next.inboxOrder === readU48(first[0], prefix.length), "an inbox row is at its own place");
  keys.setInboxFrom(lock, next.inboxOrder + 1);
  step.tx.put(
    lock,
    encodeLock({ holder: next.sequence, waiting: waiting - 1, sinceMs: step.nowMs }),
  );
  next.inboxOrder = 0;
  makeReady(step, next);
}

/** Takes an invocation that never started out of the inbox. */
export function leaveInbox(step: Step, invocation: Invocation): void {
  const { service, key } = addressOf(invocation);
  step.tx.remove(inboxKey(service, key, invocation.inboxOrder));
  const lock = lockKey(service, key);
  const row = step.tx.get(lock);
  assert(row !== undefined, "a key with an inbox is held");
  const held = decodeLock(row);
  step.tx.put(lock, encodeLock({ ...held, waiting: held.waiting - 1 }));
  invocation.inboxOrder = 0;
  changed(step, invocation);
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
