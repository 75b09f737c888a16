/**
 * Large values in pieces. LMDB keeps a large value on contiguous pages, which fragments the file and
 * lets it grow; so a value above 256 KiB is cut, and its row only says how large it is:
 *
 *     format u8 (2) | crc32 u32 of key and whole value | size u32
 *
 * A piece is found under the row's key and its index. All of that is invisible above the store.
 */
import type { RowKey } from "../core/tx.ts";
import { checkRow, corrupt, ROW_HEADER_BYTES, rowChecksum } from "./row.ts";

export const CHUNK_BYTES: number = 256 * 1024;
/** At the end of the key of a piece. */
export const CHUNK_INDEX_BYTES = 4;

const CHUNKED_FORMAT = 2;
const HEAD_BYTES = ROW_HEADER_BYTES + 4;

/** The row and the pieces of a value that is too large for one row. Nothing is copied but the head. */
export function chunkHead(stored: Buffer): {
  readonly head: Buffer;
  readonly chunks: readonly Buffer[];
} {
  const size = stored.length - ROW_HEADER_BYTES;
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = CHUNKED_FORMAT;
  head.writeUInt32BE(rowChecksum(stored), 1);
  head.writeUInt32BE(size, ROW_HEADER_BYTES);
  const chunks: Buffer[] = [];
  for (let at = ROW_HEADER_BYTES; at < stored.length; at += CHUNK_BYTES) {
    chunks.push(stored.subarray(at, at + CHUNK_BYTES));
  }
  return { head, chunks };
}

/** Of how many pieces the value of a row consists; 0 when it stands in the row itself. */
export function chunkCount(stored: Uint8Array): number {
  if (stored[0] !== CHUNKED_FORMAT || stored.length !== HEAD_BYTES) return 0;
  return Math.ceil(sizeIn(stored) / CHUNK_BYTES);
}

/** Injective, since the index always takes four bytes; and the pieces of a value lie side by side. */
export function chunkKey(key: Buffer, index: number): Buffer {
  const bytes = Buffer.alloc(key.length + CHUNK_INDEX_BYTES);
  bytes.set(key);
  bytes.writeUInt32BE(index, key.length);
  return bytes;
}

/** @throws CorruptRowError when a piece is missing or the whole is not what was written */
export function joinChunks(
  key: RowKey,
  stored: Uint8Array,
  getChunk: (key: Buffer) => Buffer | undefined,
): Uint8Array {
  const count = chunkCount(stored);
  const keyBytes = Buffer.from(key, "latin1");
  const chunks: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const chunk = getChunk(chunkKey(keyBytes, index));
    if (chunk === undefined) throw corrupt(key, `piece ${index} of ${count} is missing`);
    chunks.push(chunk);
  }
  const value = Buffer.concat(chunks);
  if (value.length !== sizeIn(stored)) {
    throw corrupt(key, `its pieces have ${value.length} bytes, not ${sizeIn(stored)}`);
  }
  checkRow(key, value, rowChecksum(stored));
  return value;
}

function sizeIn(stored: Uint8Array): number {
  return new DataView(stored.buffer, stored.byteOffset, HEAD_BYTES).getUint32(ROW_HEADER_BYTES);
}
