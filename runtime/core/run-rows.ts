/** The rows of outstanding runs: read, kept, and taken away with the timers that hang on them. */
import { assert } from "../../protocol/assert.ts";
import { readOr } from "./damage.ts";
import type { Invocation } from "./invocation.ts";
import { prefixEnd, readU32, runKey, runPrefix } from "./keys.ts";
import { decodeRun, encodeRun, type Run } from "./rows.ts";
import { changed, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";

/** Of an invocation without an attempt. @throws DamagedRowError when one is not what was written */
export function readRuns(step: Step, invocation: Invocation): (readonly [number, Run])[] {
  return runRows(step, invocation).map(([index, row]) => [index, decodeRun(row)] as const);
}

/** Those of which nothing is known but their numbers are undefined. */
export function findRuns(
  step: Step,
  invocation: Invocation,
): (readonly [number, Run | undefined])[] {
  const attempt = step.memory.attempts.get(invocation.sequence);
  if (attempt) return [...attempt.runs].map(([index, { run }]) => [index, run] as const);
  return runRows(step, invocation).map(
    ([index, row]) => [index, readOr(() => decodeRun(row), undefined)] as const,
  );
}

/** What has become of a run: for its row, and for the attempt that is live. */
export function keepRun(step: Step, { sequence }: Invocation, index: number, run: Run): void {
  step.tx.put(runKey(sequence, index), encodeRun(run));
  const open = step.memory.attempts.get(sequence)?.runs.get(index);
  if (open) open.run = run;
}

function runRows({ tx }: Step, invocation: Invocation): (readonly [number, Uint8Array])[] {
  if (invocation.runs === 0) return [];
  const prefix = runPrefix(invocation.sequence);
  const limit = invocation.runs;
  const rows = tx.range({ from: prefix, to: prefixEnd(prefix), limit });
  assert(rows.length === invocation.runs, `${rows.length} run rows, ${invocation.runs} counted`);
  return rows.map(([key, value]) => [readU32(key, prefix.length), value] as const);
}

export function removeRun(step: Step, invocation: Invocation, index: number): void {
  step.tx.remove(runKey(invocation.sequence, index));
  step.memory.attempts.get(invocation.sequence)?.runs.delete(index);
  invocation.runs--;
  changed(step, invocation);
}

/** At the end of an invocation. */
export function removeRuns(step: Step, invocation: Invocation): void {
  for (const [index, run] of findRuns(step, invocation)) {
    if (run) clearRetry(step, invocation, index, run);
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
