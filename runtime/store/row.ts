/**
 * The stored form of one row's value. It is made once, when the batch is encoded, and travels as it
 * is: through the batch, into the store, back into memory. Whoever reads a value checks it.
 *
 *     format u8 (1) | crc32 u32 of key and value | value
 *
 * The key is under the checksum too: a whole row in the wrong place is damage like any other.
 */
import { assert } from "../../protocol/assert.ts";
import type { RowKey } from "../core/tx.ts";
import { checksum, checksumOfText } from "./checksum.ts";
import { CorruptRowError } from "./store.ts";

export const ROW_FORMAT = 1;
export const ROW_HEADER_BYTES = 5;

/**
 * The longest key a row may have. LMDB takes 1978 bytes; four are kept for the index of a chunk.
 * The limits on names and keys at the ingress keep far below.
 */
export const ROW_KEY_BYTES_MAX = 1974;

/** Writes the stored form at `offset`, where the value already stands behind its header. */
export function sealRow(target: Buffer, offset: number, keyChecksum: number, end: number): void {
  const start = offset + ROW_HEADER_BYTES;
  assert(start <= end, "a stored row has a header");
  target[offset] = ROW_FORMAT;
  target.writeUInt32BE(checksum(target, start, end, keyChecksum), offset + 1);
}

/** A value in its stored form, for rows that are in no batch. */
export function sealedRow(key: RowKey, value: Uint8Array): Buffer {
  const row = Buffer.allocUnsafeSlow(ROW_HEADER_BYTES + value.length);
  row.set(value, ROW_HEADER_BYTES);
  sealRow(row, 0, checksumOfText(key), row.length);
  return row;
}

/**
 * The value in a stored row, without a copy.
 *
 * @throws CorruptRowError when it is not what was written
 */
export function openRow(key: RowKey, stored: Uint8Array): Uint8Array {
  if (stored.length < ROW_HEADER_BYTES) throw corrupt(key, `it has only ${stored.length} bytes`);
  if (stored[0] !== ROW_FORMAT) throw corrupt(key, `its format is ${stored[0]}`);
  const value = stored.subarray(ROW_HEADER_BYTES);
  checkRow(key, value, rowChecksum(stored));
  return value;
}

/** The checksum in the header of a stored row. */
export function rowChecksum(stored: Uint8Array): number {
  let value = 0;
  for (let at = 1; at < ROW_HEADER_BYTES; at++) value = (value << 8) | (stored[at] ?? 0);
  return value >>> 0;
}

/** @throws CorruptRowError when `value` is not what `expected` is the checksum of */
export function checkRow(key: RowKey, value: Uint8Array, expected: number): void {
  const found = checksum(value, 0, value.length, checksumOfText(key));
  if (found !== expected) {
    throw corrupt(key, `its checksum is ${found.toString(16)}, not ${expected.toString(16)}`);
  }
}

export function corrupt(key: RowKey, reason: string): CorruptRowError {
  return new CorruptRowError(`the row ${printableKey(key)} is damaged: ${reason}`);
}

/** A key as people can read it: what is not printable ASCII as \xNN. */
export function printableKey(key: RowKey): string {
  const text = key.replace(
    /[^\x20-\x5b\x5d-\x7e]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return `"${text}"`;
}
