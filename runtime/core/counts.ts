/**
 * How many invocations are open (accepted and not ended): in all, and pinned to each deployment.
 *
 * 1. Memory holds the counts, rows keep them: each change marks its row, so that a restart reads
 *    them and counts nothing.
 * 2. An invocation counts for its deployment from its first attempt to its end.
 */
import { assert } from "../../protocol/assert.ts";
import { OPEN_COUNT, PINNED_COUNTS, parseName, pinnedCountKey, prefixEnd } from "./keys.ts";
import { decodeNumber, encodeNumber } from "./rows.ts";
import type { Memory, Step } from "./step.ts";
import type { LateRow, ReadTx } from "./tx.ts";

/** As many deployments as anybody will have. */
const DEPLOYMENTS_MAX = 100_000;

export interface Counts {
  open: number;
  /** By version. A version that is not in here has none. */
  readonly pinned: Map<string, number>;
  readonly openRow: LateRow;
  readonly pinnedRows: Map<string, LateRow>;
}

export function noCounts(): Counts {
  const counts: Counts = {
    open: 0,
    pinned: new Map(),
    openRow: { key: OPEN_COUNT, encode: () => encodeNumber(counts.open) },
    pinnedRows: new Map(),
  };
  return counts;
}

export function countOpened(step: Step): void {
  const { counts } = step.memory;
  counts.open++;
  step.tx.putLate(counts.openRow);
}

/** An invocation that was pinned to `from` (to none: null) is now pinned to `to`. */
export function countPinned(step: Step, from: string | null, to: string): void {
  if (from === to) return;
  if (from !== null) addPinned(step, from, -1);
  addPinned(step, to, 1);
}

export function countEnded(step: Step, deployment: string | null): void {
  const { counts } = step.memory;
  assert(counts.open > 0, "an invocation ends although none is open");
  counts.open--;
  step.tx.putLate(counts.openRow);
  if (deployment !== null) addPinned(step, deployment, -1);
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

function addPinned({ tx, memory: { counts } }: Step, version: string, by: 1 | -1): void {
  const count = (counts.pinned.get(version) ?? 0) + by;
  assert(count >= 0, `fewer than no invocations are pinned to deployment ${version}`);
  if (count === 0) counts.pinned.delete(version);
  else counts.pinned.set(version, count);
  tx.putLate(pinnedRow(counts, version));
}

function pinnedRow(counts: Counts, version: string): LateRow {
  const known = counts.pinnedRows.get(version);
  if (known) return known;
  const encode = (): Uint8Array | undefined => {
    const count = counts.pinned.get(version);
    return count === undefined ? undefined : encodeNumber(count);
  };
  const row = { key: pinnedCountKey(version), encode };
  counts.pinnedRows.set(version, row);
  return row;
}
