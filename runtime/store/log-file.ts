/**
 * The file of a commit log, as bytes: what a record looks like, and which records follow a position.
 *
 *     page 0          magic 8 bytes | salt 16 bytes | crc32 u32 of both
 *     any other page  salt | length u32 | batch (batch.ts)     where a record begins
 *
 * A page is 4096 bytes. A record begins with a page and may span several.
 *
 * 1. No page is written again before every batch that has bytes in it stands in the rows: what is
 *    torn by a power loss was durable for nobody.
 * 2. A record is found by the salt, drawn anew for each file: what users store cannot pass for one.
 * 3. Records are followed by number and digest. A record that is whole and comes after the end of
 *    what can be followed proves that something durable is missing: that is damage, and no end.
 */
import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { batchDigest, decodeBatch, peekBatch, type Batch, type Position } from "./batch.ts";
import { DamagedLogError } from "./store.ts";

export const PAGE_BYTES = 4096;

const MAGIC = Buffer.from("HFLOG\0\0\x01", "latin1");
const SALT_BYTES = 16;
const FILE_HEADER_BYTES = MAGIC.length + SALT_BYTES + 4;
export const RECORD_HEADER_BYTES: number = SALT_BYTES + 4;

export const newSalt = (): Buffer => randomBytes(SALT_BYTES);

/** Page 0. */
export function fileHeader(salt: Buffer): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  MAGIC.copy(page);
  salt.copy(page, MAGIC.length);
  const end = MAGIC.length + SALT_BYTES;
  page.writeUInt32BE(crc32(page.subarray(0, end)), end);
  return page;
}

export function recordHeader(salt: Buffer, batchBytes: number): Buffer {
  const header = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  salt.copy(header);
  header.writeUInt32BE(batchBytes, SALT_BYTES);
  return header;
}

/** Bytes of the file that a record takes, up to where the next may begin. */
export function recordSpan(batchBytes: number): number {
  return Math.ceil((RECORD_HEADER_BYTES + batchBytes) / PAGE_BYTES) * PAGE_BYTES;
}

export interface Followed {
  /** In order. */
  readonly batches: readonly Batch[];
  /** The last of them, or where it began. */
  readonly position: Position;
}

/**
 * The batches in these files that come after `from`, as far as they go.
 *
 * @throws DamagedLogError when something is missing that was durable
 */
export function followLogs(files: readonly LogBytes[], from: Position): Followed {
  const records = files.flatMap((file) => [...recordsOf(file)]);
  const batches: Batch[] = [];
  let position = from;
  for (let next = nextOf(records, position); next; next = nextOf(records, position)) {
    batches.push(next.batch);
    position = { number: next.batch.number, digest: batchDigest(next.bytes) };
  }
  checkNothingBehind(records, position);
  return { batches, position };
}

/** A file, whole. */
export interface LogBytes {
  readonly path: string;
  readonly bytes: Buffer;
}

/** What looks like one, and says that it is the batch after `previous`. */
interface Record {
  readonly path: string;
  readonly number: number;
  readonly previous: string;
  readonly bytes: Buffer;
}

function* recordsOf({ path, bytes }: LogBytes): Generator<Record> {
  const salt = saltOf(path, bytes);
  for (let at = PAGE_BYTES; at + RECORD_HEADER_BYTES <= bytes.length; at += PAGE_BYTES) {
    if (!salt.equals(bytes.subarray(at, at + SALT_BYTES))) continue;
    const start = at + RECORD_HEADER_BYTES;
    const end = start + bytes.readUInt32BE(at + SALT_BYTES);
    const batch = bytes.subarray(start, Math.min(end, bytes.length));
    const header = peekBatch(batch);
    if (header !== undefined) yield { path, ...header, bytes: batch };
  }
}

function saltOf(path: string, bytes: Buffer): Buffer {
  const end = MAGIC.length + SALT_BYTES;
  const whole =
    bytes.length >= FILE_HEADER_BYTES &&
    bytes.subarray(0, MAGIC.length).equals(MAGIC) &&
    bytes.readUInt32BE(end) === crc32(bytes.subarray(0, end));
  if (!whole) throw new DamagedLogError(`the first page of the commit log ${path} is damaged`);
  return bytes.subarray(MAGIC.length, end);
}

function nextOf(
  records: readonly Record[],
  { number, digest }: Position,
): { readonly batch: Batch; readonly bytes: Buffer } | undefined {
  for (const { bytes, ...record } of records) {
    if (record.number !== number + 1 || record.previous !== digest) continue;
    const batch = wholeBatch(bytes);
    if (batch !== undefined) return { batch, bytes };
  }
  return undefined;
}

/** Undefined: torn, or damaged. */
function wholeBatch(bytes: Buffer): Batch | undefined {
  try {
    return decodeBatch(bytes);
  } catch {
    return undefined;
  }
}

function checkNothingBehind(records: readonly Record[], { number }: Position): void {
  const behind = records.filter((it) => it.number > number && wholeBatch(it.bytes) !== undefined);
  const first = behind.sort((a, b) => a.number - b.number)[0];
  if (first === undefined) return;
  throw new DamagedLogError(
    `batch ${number + 1} cannot be read from the commit log ${first.path}, and batch ${first.number} is there`,
  );
}
