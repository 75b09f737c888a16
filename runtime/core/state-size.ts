/**
 * How many bytes of state a key has (names and values), without reading it on the way.
 *
 * 1. The scan for the start of an attempt gives the size of a small state for free; the attempt
 *    keeps it, and each change adjusts it. Only the exclusive attempt of a key changes its state.
 * 2. Above `LARGE_STATE_BYTES` a row keeps the size; below there is none. So whoever does not know
 *    it reads one row, or a state that is small. The border is not a setting: it is in the rows.
 */
import { assert } from "../../protocol/assert.ts";
import { readOr } from "./damage.ts";
import { prefixEnd, stateBytesKey, statePrefix, utf8 } from "./keys.ts";
import { decodeNumber, encodeNumber } from "./rows.ts";
import { stateValue } from "./state-value.ts";
import type { Attempt, Step } from "./step.ts";

export const LARGE_STATE_BYTES: number = 64 * 1024;
const BATCH = 256;

/** The size now, and by how much this value would change it; `value` undefined: it is cleared. */
export function stateChange(
  step: Step,
  attempt: Attempt,
  name: string,
  value: Uint8Array | undefined,
): { readonly bytes: number; readonly change: number } {
  const { service, key } = addressOf(attempt);
  const binaryName = utf8(name);
  // A megabyte is not read to be replaced.
  const known = step.memory.keys.largeBytesOf(service, key, binaryName);
  const before = known ?? stateValue(step, service, key, name)?.length;
  const size = (length: number | undefined): number =>
    length === undefined ? 0 : binaryName.length + length;
  return { bytes: stateBytes(step, attempt), change: size(value?.length) - size(before) };
}

/** After a change: the attempt knows the new size, and the row too, if the state is large. */
export function keepStateBytes(step: Step, attempt: Attempt, bytes: number): void {
  const { service, key } = addressOf(attempt);
  const row = stateBytesKey(service, key);
  if (bytes > LARGE_STATE_BYTES) step.tx.put(row, encodeNumber(bytes));
  else if (stateBytes(step, attempt) > LARGE_STATE_BYTES) step.tx.remove(row);
  attempt.stateBytes = bytes;
}

/** All of it was cleared. */
export function forgetStateBytes(step: Step, attempt: Attempt): void {
  const { service, key } = addressOf(attempt);
  step.tx.remove(stateBytesKey(service, key));
  attempt.stateBytes = 0;
}

export function stateBytes(step: Step, attempt: Attempt): number {
  attempt.stateBytes ??= readStateBytes(step, attempt);
  return attempt.stateBytes;
}

/** Undefined for a state that is small, or whose row is damaged: then the state itself says it. */
export function largeStateBytes({ tx }: Step, service: string, key: string): number | undefined {
  const row = tx.get(stateBytesKey(service, key));
  return row === undefined ? undefined : readOr(() => decodeNumber(row), undefined);
}

function readStateBytes(step: Step, attempt: Attempt): number {
  const { tx } = step;
  const { service, key } = addressOf(attempt);
  // It only spares the look at the state itself.
  const kept = largeStateBytes(step, service, key);
  if (kept !== undefined) return kept;
  const prefix = statePrefix(service, key);
  const to = prefixEnd(prefix);
  let bytes = 0;
  let from = prefix;
  for (;;) {
    const rows = tx.range({ from, to, limit: BATCH });
    for (const [rowKey, value] of rows) {
      bytes += rowKey.length - prefix.length + value.length;
      from = `${rowKey}\0`;
    }
    if (rows.length < BATCH) return bytes;
  }
}

function addressOf({ invocation: { target } }: Attempt): {
  readonly service: string;
  readonly key: string;
} {
  assert(target.key !== null, "only what has a key has state");
  return { service: target.service, key: target.key };
}
