import { assert } from "../../protocol/assert.ts";
import { removeState } from "./commands/state.ts";
import type { Invocation } from "./invocation.ts";
import {
  idempotencyKey,
  inputKey,
  invocationKey,
  journalPrefix,
  outcomeKey,
  prefixEnd,
  promisePrefix,
  workflowKey,
} from "./keys.ts";
import type { Step } from "./step.ts";
import { clearTimer } from "./timers.ts";

const BATCH = 512;

/** Before its time: the timer goes first. */
export function purgeNow(step: Step, invocation: Invocation): void {
  const { expiresAtMs, sequence } = invocation;
  assert(expiresAtMs !== null, "what has completed knows when it expires");
  clearTimer(step, { dueAtMs: expiresAtMs, sequence, kind: "purge", id: 0 });
  purge(step, invocation);
}

/** Removes every row of an invocation that ended and whose retention is over. */
export function purge(step: Step, invocation: Invocation): void {
  const { sequence, target, status } = invocation;
  assert(status === "completed", `a ${status} invocation cannot be purged`);
  step.tx.remove(invocationKey(sequence));
  step.tx.remove(inputKey(sequence));
  step.tx.remove(outcomeKey(sequence));
  removeAll(step, journalPrefix(sequence));
  step.changed.delete(invocation);
  step.loaded.delete(sequence);
  if (invocation.serviceKind === "workflow" && invocation.mode === "exclusive") {
    const key = target.key ?? "";
    step.tx.remove(workflowKey(target.service, key));
    removeAll(step, promisePrefix(target.service, key));
    removeState(step, invocation);
  } else if (invocation.idempotencyKey !== null) {
    step.tx.remove(idempotencyKey(target, invocation.idempotencyKey));
  }
}

function removeAll(step: Step, prefix: string): void {
  for (;;) {
    const rows = step.tx.range({ from: prefix, to: prefixEnd(prefix), limit: BATCH });
    for (const [key] of rows) step.tx.remove(key);
    if (rows.length < BATCH) return;
  }
}
