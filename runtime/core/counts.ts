/**
 * How many invocations are open (accepted and not ended): in all, and pinned to each deployment.
 *
 * 1. Memory holds the counts, rows keep them: each step writes those that it changed, so that a
 *    restart reads them and counts nothing.
 * 2. An invocation counts for its deployment from its first attempt to its end.
 */
import { assert } from "../../protocol/assert.ts";
import { OPEN_COUNT, PINNED_COUNTS, parseName, pinnedCountKey, prefixEnd } from "./keys.ts";
import { decodeNumber, encodeNumber } from "./rows.ts";
import type { Memory, Step } from "./step.ts";
import type { ReadTx, Tx } from "./tx.ts";

/** As many deployments as anybody will have. */
const DEPLOYMENTS_MAX = 100_000;

export interface Counts {
  open: number;
  /** By version. A version that is not in here has none. */
  readonly pinned: Map<string, number>;
  openChanged: boolean;
  readonly pinnedChanged: Set<string>;
}

export function noCounts(): Counts {
  return { open: 0, pinned: new Map(), openChanged: false, pinnedChanged: new Set() };
}

export function countOpened(step: Step): void {
  const { counts } = step.memory;
  counts.open++;
  counts.openChanged = true;
}

/** An invocation that was pinned to `from` (to none: null) is now pinned to `to`. */
export function countPinned(step: Step, from: string | null, to: string): void {
  if (from === to) return;
  if (from !== null) addPinned(step.memory.counts, from, -1);
  addPinned(step.memory.counts, to, 1);
}

export function countEnded(step: Step, deployment: string | null): void {
  const { counts } = step.memory;
  assert(counts.open > 0, "an invocation ends although none is open");
  counts.open--;
  counts.openChanged = true;
  if (deployment !== null) addPinned(counts, deployment, -1);
}

export function flushCounts({ tx, memory: { counts } }: Step): void {
  if (counts.openChanged) tx.put(OPEN_COUNT, encodeNumber(counts.open));
  counts.openChanged = false;
  for (const version of counts.pinnedChanged) writePinned(tx, version, counts.pinned.get(version));
  counts.pinnedChanged.clear();
}

export function recoverCounts(tx: ReadTx, memory: Memory): void {
  memory.counts.open = readOpenCount(tx);
  for (const [version, count] of readPinnedCounts(tx)) memory.counts.pinned.set(version, count);
}

export function readOpenCount(tx: ReadTx): number {
  const row = tx.get(OPEN_COUNT);
  return row === undefined ? 0 : decodeNumber(row);
}

export function readPinnedCounts(tx: ReadTx): Map<string, number> {
  const range = { from: PINNED_COUNTS, to: prefixEnd(PINNED_COUNTS), limit: DEPLOYMENTS_MAX };
  const rows = tx.range(range);
  return new Map(
    rows.map(([key, row]) => [parseName(key, PINNED_COUNTS.length), decodeNumber(row)]),
  );
}

function addPinned(counts: Counts, version: string, by: 1 | -1): void {
  const count = (counts.pinned.get(version) ?? 0) + by;
  assert(count >= 0, `fewer than no invocations are pinned to deployment ${version}`);
  if (count === 0) counts.pinned.delete(version);
  else counts.pinned.set(version, count);
  counts.pinnedChanged.add(version);
}

function writePinned(tx: Tx, version: string, count: number | undefined): void {
  if (count === undefined) tx.remove(pinnedCountKey(version));
  else tx.put(pinnedCountKey(version), encodeNumber(count));
}
