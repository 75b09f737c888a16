/**
 * How long what has ended is kept, and the rows that say when it goes. `purge.ts` removes it.
 *
 * 1. An idempotency key or a workflow's key keeps the result for its retention, and the journal for
 *    the journal's retention, but not longer. Without one, the journal's retention governs both.
 * 2. Expiries stand apart from timers: a million of them due at once delay no sleep.
 * 3. Each ended invocation has one expiry row: of its journal if that goes first, else of all that is
 *    left. It stays until the last of what it speaks of is gone.
 */
import { assert } from "../../protocol/assert.ts";
import type { HandlerManifest } from "../../protocol/manifest.ts";
import { isWorkflowRun, type Invocation } from "./invocation.ts";
import { EXPIRIES, expiryKey, parseExpiryKey, prefixEnd, type Expiry } from "./keys.ts";
import type { Memory, Step } from "./step.ts";
import { wholeMs } from "./timers.ts";
import type { ReadTx } from "./tx.ts";

const EMPTY = new Uint8Array(0);
/** As good as for ever, and it fits a key. */
const RETENTION_MS_MAX = 1_000 * 366 * 24 * 60 * 60 * 1_000;

export function retain(
  step: Step,
  invocation: Invocation,
  handler: HandlerManifest | undefined,
): void {
  const { limits } = step.memory;
  const journalMs = handler?.journalRetentionMs ?? limits.journalRetentionMs;
  const keepMs = namedRetentionMs(step, invocation, handler) ?? journalMs;
  const at = (retentionMs: number): number =>
    step.nowMs + wholeMs(Math.min(retentionMs, RETENTION_MS_MAX));
  invocation.expiresAtMs = at(keepMs);
  const journalFirst = journalMs < keepMs && invocation.commands + invocation.deliveries > 0;
  invocation.journalExpiresAtMs = journalFirst ? at(journalMs) : null;
  const { sequence, journalExpiresAtMs } = invocation;
  if (journalExpiresAtMs === null) setExpiry(step, purgeOf(invocation));
  else setExpiry(step, { dueAtMs: journalExpiresAtMs, sequence, kind: "journal" });
}

function namedRetentionMs(
  { memory: { limits } }: Step,
  invocation: Invocation,
  handler: HandlerManifest | undefined,
): number | undefined {
  if (isWorkflowRun(invocation)) return handler?.workflowRetentionMs ?? limits.workflowRetentionMs;
  if (invocation.idempotencyKey === null) return undefined;
  return handler?.idempotencyRetentionMs ?? limits.idempotencyRetentionMs;
}

export function purgeOf({ sequence, expiresAtMs }: Invocation): Expiry {
  assert(expiresAtMs !== null, "what has ended knows when it expires");
  return { dueAtMs: expiresAtMs, sequence, kind: "purge" };
}

/** All that is left of it goes now, whatever its expiry row said. */
export function expireNow(step: Step, invocation: Invocation): void {
  const { sequence, journalExpiresAtMs } = invocation;
  if (journalExpiresAtMs !== null) {
    step.tx.remove(expiryKey({ dueAtMs: journalExpiresAtMs, sequence, kind: "journal" }));
  }
  step.tx.remove(expiryKey(purgeOf(invocation)));
  invocation.expiresAtMs = step.nowMs;
  setExpiry(step, purgeOf(invocation));
}

export function setExpiry(step: Step, expiry: Expiry): void {
  step.tx.insert(expiryKey(expiry), EMPTY);
  const { memory } = step;
  if (memory.nextExpiryAtMs === "unknown") return;
  memory.nextExpiryAtMs = Math.min(expiry.dueAtMs, memory.nextExpiryAtMs ?? Infinity);
}

export function nextExpiryAtMs(tx: ReadTx, memory: Memory): number | undefined {
  if (memory.nextExpiryAtMs === "unknown") {
    const [first] = tx.range({ from: EXPIRIES, to: prefixEnd(EXPIRIES), limit: 1 });
    memory.nextExpiryAtMs = first && parseExpiryKey(first[0]).dueAtMs;
  }
  return memory.nextExpiryAtMs;
}
