/** The rows of outstanding runs: read, and taken away with the timers that hang on them. */
import { assert } from "../../protocol/assert.ts";
import type { Invocation } from "./invocation.ts";
import { prefixEnd, readU32, runKey, runPrefix } from "./keys.ts";
import { decodeRun, type Run } from "./rows.ts";
import { changed, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";

export function readRuns(step: Step, invocation: Invocation): (readonly [number, Run])[] {
  if (invocation.runs === 0) return [];
  const prefix = runPrefix(invocation.sequence);
  const limit = invocation.runs;
  const rows = step.tx.range({ from: prefix, to: prefixEnd(prefix), limit });
  assert(rows.length === invocation.runs, `${rows.length} run rows, ${invocation.runs} counted`);
  return rows.map(([key, value]) => [readU32(key, prefix.length), decodeRun(value)] as const);
}

export function removeRun(step: Step, invocation: Invocation, index: number): void {
  step.tx.remove(runKey(invocation.sequence, index));
  invocation.runs--;
  changed(step, invocation);
}

/** At the end of an invocation. */
export function removeRuns(step: Step, invocation: Invocation): void {
  for (const [index, run] of readRuns(step, invocation)) {
    clearRetry(step, invocation, index, run);
    removeRun(step, invocation, index);
  }
}

/** The wait for its next try ends before its time. */
export function clearRetry(step: Step, invocation: Invocation, index: number, run: Run): void {
  if (run.nextTryAtMs === null) return;
  const { sequence } = invocation;
  clearTimer(step, { dueAtMs: run.nextTryAtMs, sequence, kind: "run-retry", id: index });
  invocation.spentMs["runs-backing-off"] -= Math.max(0, run.nextTryAtMs - step.nowMs);
  changed(step, invocation);
}
