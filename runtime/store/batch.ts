/**
 * One batch: the writes that one commit makes durable together, as one canonical byte string.
 *
 *      0  crc32     u32   of everything after it
 *      4  format    u8    2
 *      5  partition u16
 *      7  epoch     u48
 *     13  number    u48
 *     19  previous  16 bytes, digest of the batch before; zeros when there is none
 *     35  count     u32
 *     39  writes    key length u15, behind one bit: the row is new (1)
 *                   | key | stored length u32 (0: remove) | stored row (row.ts)
 *
 * 1. Equal batches have equal bytes: keys ascend strictly, nothing is optional.
 * 2. `previous` is a digest and not a number: two histories with the same numbers do not match.
 * 3. Values are never copied on the way out: a decoded batch points into its bytes.
 */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { assert, broken } from "../../protocol/assert.ts";
import { DamagedRow, type RowKey } from "../core/tx.ts";
import { checksum } from "./checksum.ts";
import { openRow, ROW_HEADER_BYTES, ROW_KEY_BYTES_MAX, sealRow } from "./row.ts";

export const BATCH_FORMAT = 2;

const HEADER_BYTES = 39;
const DIGEST_BYTES = 16;
const KEY_LENGTH_BYTES = 2;
/** In a key's length. */
const ADDED = 0x8000;
const ROW_LENGTH_BYTES = 4;
/** Bytes that a write costs in a batch beside its key and value. */
export const WRITE_OVERHEAD_BYTES: number = KEY_LENGTH_BYTES + ROW_LENGTH_BYTES + ROW_HEADER_BYTES;

const NO_DIGEST = "0".repeat(2 * DIGEST_BYTES);

export interface BatchHeader {
  readonly partition: number;
  readonly epoch: number;
  /** 1 for the first batch of a store, then one more each. */
  readonly number: number;
  /** Digest of the batch before, in hex; "" for the first batch of a store. */
  readonly previous: string;
}

/** Where a history stands: the last batch that is in it. 0 and "" before the first one. */
export interface Position {
  readonly number: number;
  readonly digest: string;
}

/** An undefined value removes the key. `added`: nothing stands there, and an older removal is durable. */
export type Write = readonly [key: RowKey, value: Uint8Array | undefined, added?: boolean];

/** A write as a batch holds it: where it stands in the bytes. */
export class StoredWrite {
  readonly key: RowKey;
  /** It puts a row where there was none. */
  readonly added: boolean;
  readonly #batch: Buffer;
  readonly #start: number;
  readonly #end: number;

  /** @param batch holds the row in its stored form from `start` to `end`; nothing there removes the key */
  constructor(key: RowKey, added: boolean, batch: Buffer, start: number, end: number) {
    this.key = key;
    this.added = added;
    this.#batch = batch;
    this.#start = start;
    this.#end = end;
  }

  get removes(): boolean {
    return this.#start === this.#end;
  }

  /** Without a copy; not checked: the checksum of the batch was. Undefined removes the key. */
  get value(): Uint8Array | undefined {
    return this.removes
      ? undefined
      : this.#batch.subarray(this.#start + ROW_HEADER_BYTES, this.#end);
  }

  /** The row in its stored form, without a copy. */
  get stored(): Buffer | undefined {
    return this.removes ? undefined : this.#batch.subarray(this.#start, this.#end);
  }

  get storedBytes(): number {
    return this.#end - this.#start;
  }

  get keyBytes(): Buffer {
    return Buffer.from(this.key, "latin1");
  }
}

export interface Batch extends BatchHeader {
  /** In key order. */
  readonly writes: readonly StoredWrite[];
}

/** @param writes in key order, each key once; an undefined value removes the key */
export function encodeBatch(header: BatchHeader, writes: readonly Write[]): Uint8Array {
  let sizeBytes = HEADER_BYTES;
  for (const [key, value] of writes) {
    sizeBytes += KEY_LENGTH_BYTES + key.length + ROW_LENGTH_BYTES;
    if (value !== undefined) sizeBytes += ROW_HEADER_BYTES + value.length;
  }
  // Not from Buffer's pool: the bytes live until their commit is done, and hold nothing else alive.
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  writeHeader(bytes, header, writes.length);
  const stored: StoredWrite[] = [];
  let offset = HEADER_BYTES;
  let before: RowKey = "";
  for (const [key, value, added = false] of writes) {
    if (before >= key) broken(`the writes of batch ${header.number} are not in key order`);
    before = key;
    const rowStart = offset + KEY_LENGTH_BYTES + key.length + ROW_LENGTH_BYTES;
    offset = writeWrite(bytes, offset, key, value, added);
    stored.push(new StoredWrite(key, added, bytes, rowStart, offset));
  }
  assert(offset === sizeBytes, `batch ${header.number} has ${offset} bytes, not ${sizeBytes}`);
  bytes.writeUInt32BE(crc32(bytes.subarray(4)), 0);
  // Not by a spread: docs/performance.md.
  const { partition, epoch, number, previous } = header;
  encoded.set(bytes, { partition, epoch, number, previous, writes: stored });
  return bytes;
}

/**
 * Reads a batch back and checks all of it but the rows' own checksums.
 *
 * @throws AssertionError when the bytes are not what `encodeBatch` made
 */
export function decodeBatch(bytes: Uint8Array): Batch {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert(buffer.length >= HEADER_BYTES, `a batch of ${buffer.length} bytes has no header`);
  assert(buffer.readUInt32BE(0) === crc32(buffer.subarray(4)), "a batch's checksum does not match");
  assert(buffer[4] === BATCH_FORMAT, `a batch of format ${buffer[4]}, not ${BATCH_FORMAT}`);
  return (
    encoded.get(bytes) ?? {
      ...readHeader(buffer),
      writes: readWrites(buffer, buffer.readUInt32BE(35)),
    }
  );
}

function readHeader(buffer: Buffer): BatchHeader {
  const previous = buffer.toString("hex", 19, 19 + DIGEST_BYTES);
  return {
    partition: buffer.readUInt16BE(5),
    epoch: buffer.readUIntBE(7, 6),
    number: buffer.readUIntBE(13, 6),
    previous: previous === NO_DIGEST ? "" : previous,
  };
}

/**
 * What the next batch names as `previous`: SHA-256 of the bytes, cut to 16 bytes, in hex. Kept per
 * byte string, because the loop and the store below it both ask.
 */
export function batchDigest(bytes: Uint8Array): string {
  let digest = digests.get(bytes);
  if (digest === undefined) {
    digest = hash("sha256", bytes, "hex").slice(0, 2 * DIGEST_BYTES);
    digests.set(bytes, digest);
  }
  return digest;
}

/** What leads to a batch before it is decoded: where it says that it stands. */
export function peekBatch(bytes: Buffer): BatchHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  return readHeader(bytes);
}

/**
 * A batch goes on where the one before it ended, in the same tenure.
 *
 * @throws AssertionError when it does not
 */
export function checkFollows(
  batch: BatchHeader,
  before: { readonly epoch: number; readonly number: number; readonly digest: string },
): void {
  const { epoch, number, previous } = batch;
  assert(epoch === before.epoch, `a batch of epoch ${epoch} in epoch ${before.epoch}`);
  assert(number === before.number + 1, `batch ${number} after batch ${before.number}`);
  assert(previous === before.digest, `batch ${number} follows another history`);
}

/** Two memos: they hold no byte string alive and say the same for equal bytes. */
const digests = new WeakMap<Uint8Array, string>();
/** The store reads what the committer has just made: it need not be taken apart, but is checked. */
const encoded = new WeakMap<Uint8Array, Batch>();

/** The value of a write, checked; undefined for a removal. */
export function writtenValue(write: StoredWrite): Uint8Array | undefined {
  const { stored } = write;
  return stored && openRow(write.key, stored);
}

function writeHeader(bytes: Buffer, header: BatchHeader, count: number): void {
  const { partition, epoch, number, previous } = header;
  assert(epoch >= 1, `a batch needs an epoch, not ${epoch}`);
  assert(number >= 1, `a batch needs a number, not ${number}`);
  assert(
    previous === "" || previous.length === 2 * DIGEST_BYTES,
    `"${previous}" is not the digest of a batch`,
  );
  bytes[4] = BATCH_FORMAT;
  bytes.writeUInt16BE(partition, 5);
  bytes.writeUIntBE(epoch, 7, 6);
  bytes.writeUIntBE(number, 13, 6);
  bytes.write(previous === "" ? NO_DIGEST : previous, 19, "hex");
  bytes.writeUInt32BE(count, 35);
}

function writeWrite(
  bytes: Buffer,
  offset: number,
  key: RowKey,
  value: Uint8Array | undefined,
  added: boolean,
): number {
  if (key.length === 0 || key.length > ROW_KEY_BYTES_MAX) {
    broken(`a row's key has ${key.length} bytes; 1 to ${ROW_KEY_BYTES_MAX} are possible`);
  }
  assert(key.charCodeAt(0) !== 0, "keys that start with a zero byte belong to the store");
  assert(!(value instanceof DamagedRow), "what a damaged row says is never written");
  bytes.writeUInt16BE(added ? key.length | ADDED : key.length, offset);
  const keyStart = offset + KEY_LENGTH_BYTES;
  const keyEnd = keyStart + key.length;
  for (let at = 0; at < key.length; at++) bytes[keyStart + at] = key.charCodeAt(at);
  const start = keyEnd + ROW_LENGTH_BYTES;
  if (value === undefined) {
    assert(!added, "a removal has no row to add");
    bytes.writeUInt32BE(0, keyEnd);
    return start;
  }
  const end = start + ROW_HEADER_BYTES + value.length;
  bytes.writeUInt32BE(end - start, keyEnd);
  bytes.set(value, start + ROW_HEADER_BYTES);
  sealRow(bytes, start, checksum(bytes, keyStart, keyEnd), end);
  return end;
}

function readWrites(buffer: Buffer, count: number): StoredWrite[] {
  const writes: StoredWrite[] = [];
  let offset = HEADER_BYTES;
  let before: RowKey = "";
  for (let i = 0; i < count; i++) {
    const keyHead = buffer.readUInt16BE(offset);
    const added = (keyHead & ADDED) !== 0;
    const keyEnd = offset + KEY_LENGTH_BYTES + (keyHead & ~ADDED);
    const key = buffer.toString("latin1", offset + KEY_LENGTH_BYTES, keyEnd);
    assert(before < key, "the writes of a batch are not in key order");
    before = key;
    const start = keyEnd + ROW_LENGTH_BYTES;
    const end = start + buffer.readUInt32BE(keyEnd);
    if (added && start === end) broken("a removal in a batch adds a row");
    if (end > buffer.length) broken("a batch ends inside of a write");
    if (end !== start && end < start + ROW_HEADER_BYTES) broken("a row in a batch has no header");
    writes.push(new StoredWrite(key, added, buffer, start, end));
    offset = end;
  }
  assert(offset === buffer.length, `a batch has ${buffer.length - offset} bytes too many`);
  return writes;
}
