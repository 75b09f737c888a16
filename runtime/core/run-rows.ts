/**
 * Outstanding runs: read, kept, and taken away with the timers that hang on them. They stand in rows, or
 * in the journal alone: see plain-runs.ts.
 */
import { assert } from "../../protocol/assert.ts";
import { readOr } from "./damage.ts";
import type { Invocation } from "./invocation.ts";
import { prefixEnd, readU32, runKey, runPrefix } from "./keys.ts";
import { readPlain, removePlain } from "./plain-runs.ts";
import { decodeRun, encodeRun, type Run } from "./rows.ts";
import { changed, type Step } from "./step.ts";
import { clearTimer } from "./timers.ts";
import type { ReadTx } from "./tx.ts";

/** Of an invocation without an attempt. @throws DamagedRowError when one is not what was written */
export function readRuns(step: Step, invocation: Invocation): (readonly [number, Run])[] {
  return inOrder(allOf(step.tx, invocation).map(([index, read]) => [index, read()] as const));
}

/** Those of which nothing is known but their numbers are undefined. */
export function findRuns(
  step: Step,
  invocation: Invocation,
): (readonly [number, Run | undefined])[] {
  const attempt = step.memory.attempts.get(invocation.sequence);
  if (attempt) return attempt.runs.keys().map((it) => [it, attempt.runs.get(it)?.run] as const);
  return inOrder(
    allOf(step.tx, invocation).map(([index, read]) => [index, readOr(read, undefined)] as const),
  );
}

function inOrder<T>(runs: (readonly [number, T])[]): (readonly [number, T])[] {
  return runs.sort(([a], [b]) => a - b);
}

/** What has become of a run: for its row, and for the attempt that is live. */
export function keepRun(step: Step, invocation: Invocation, index: number, run: Run): void {
  const { sequence } = invocation;
  if (removePlain(invocation, index)) changed(step, invocation);
  step.tx.put(runKey(sequence, index), encodeRun(run));
  const open = step.memory.attempts.get(sequence)?.runs.get(index);
  if (open) open.run = run;
}

function allOf(tx: ReadTx, invocation: Invocation): readonly RunReader[] {
  const runs = runReaders(tx, invocation);
  assert(runs.length === invocation.runs, `${runs.length} runs, ${invocation.runs} counted`);
  return runs;
}

type RunReader = readonly [index: number, read: () => Run];

/** How to read each of them. @throws DamagedRowError when it is read and is not what was written */
export function runReaders(tx: ReadTx, invocation: Invocation): readonly RunReader[] {
  const plain = invocation.plainRuns.map(
    ({ command, entry }) => [command, () => readPlain(tx, invocation, entry)] as const,
  );
  const limit = invocation.runs - plain.length;
  if (limit <= 0) return plain;
  const prefix = runPrefix(invocation.sequence);
  const rows = tx.range({ from: prefix, to: prefixEnd(prefix), limit });
  const kept = rows.map(
    ([key, row]) => [readU32(key, prefix.length), () => decodeRun(row)] as const,
  );
  return [...kept, ...plain];
}

export function removeRun(step: Step, invocation: Invocation, index: number): void {
  if (!takePlain(step, invocation, index)) {
    step.tx.remove(runKey(invocation.sequence, index));
    step.memory.attempts.get(invocation.sequence)?.runs.delete(index);
    invocation.runs--;
  }
  changed(step, invocation);
}

/** Removes one that has no row, for a result that says so in the journal. False when it has a row. */
export function takePlain(step: Step, invocation: Invocation, index: number): boolean {
  if (!removePlain(invocation, index)) return false;
  step.memory.attempts.get(invocation.sequence)?.runs.delete(index);
  invocation.runs--;
  return true;
}

/** At the end of an invocation. */
export function removeRuns(step: Step, invocation: Invocation): void {
  if (invocation.runs === 0) return;
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
