/**
 * The mirror of `apply`: what a restart owes.
 *
 * Connections died with the process, and with them every attempt: what ran is ready again, in its
 * old order, and starts as soon as a worker of its deployment is back. Pauses are remembered. Timers,
 * inboxes and everything that waits are rows, and need nothing.
 */
import { assert } from "../../protocol/assert.ts";
import { recoverCounts } from "./counts.ts";
import { isQuarantined, readVital } from "./damage.ts";
import { setStatus } from "./invocation.ts";
import { ACTIVE, NEXT_SEQUENCE, prefixEnd, readU48, readyKey } from "./keys.ts";
import { recoverPauses } from "./pauses.ts";
import { recoverServices } from "./registry.ts";
import { decodeNumber } from "./rows.ts";
import { changed, flush, load, type Step } from "./step.ts";

const EMPTY = new Uint8Array(0);
const BATCH = 256;

export function recover(step: Step): void {
  const { memory, tx } = step;
  const bound = tx.get(NEXT_SEQUENCE);
  memory.nextSequence = bound === undefined ? 1 : readVital(() => decodeNumber(bound));
  memory.sequenceBound = memory.nextSequence;
  recoverServices(step);
  readVital(() => recoverCounts(tx, memory));
  recoverPauses(tx, memory);
  restartActive(step);
}

function restartActive(step: Step): void {
  for (;;) {
    const range = { from: ACTIVE, to: prefixEnd(ACTIVE), limit: BATCH };
    const rows = step.tx.range(range);
    for (const [key] of rows) {
      step.tx.remove(key);
      const invocation = load(step, readU48(key, ACTIVE.length));
      if (invocation === undefined && isQuarantined(step, readU48(key, ACTIVE.length))) continue;
      assert(invocation?.status === "running", "an active row belongs to a running invocation");
      setStatus(invocation, "ready", step.nowMs);
      changed(step, invocation);
      const { deployment, target, sequence } = invocation;
      const queue = { version: deployment ?? "", ...target };
      step.tx.insert(readyKey(queue, sequence), EMPTY);
    }
    flush(step);
    step.loaded.clear();
    if (rows.length < BATCH) return;
  }
}
