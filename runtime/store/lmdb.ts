/**
 * The rows on LMDB, and the only file that knows lmdb-js.
 *
 * Owns how rows lie on the disk. `logged-store.ts` owns what is written here when; `directory-lock.ts`
 * keeps a second runtime out, and the epoch here is the second guard.
 *
 *     meta    "epoch"   version: the epoch         "last"   row of number u48 | digest 16 bytes
 *     rows    key       row (row.ts); of a value above 256 KiB only its size (chunks.ts)
 *     chunks  key | index u32    a piece of such a value
 *
 * 1. `overlappingSync: false`: what LMDB shows is on the disk, and a failed flush is an error. In
 *    lmdb-js's default mode unflushed data is visible and a failed meta page counts as success.
 * 2. What is applied is one conditional batch on the version of "epoch": whole or not at all, and
 *    nothing at all once another runtime has opened the directory.
 * 3. Everything is encoded and checked before: what throws inside the callback of a batch would
 *    leave its first half committed.
 * 4. After `applySync`, which comes before all else, there is no synchronous write: it would commit
 *    half of a batch that is under way.
 * 5. One `apply` at a time, so that each sees the rows as the one before left them.
 * 6. One that fails or is late is the last one: after a failed flush the next one may lie.
 * 7. A range is read in one go: an iterator that stays open pins pages, and the file grows.
 */
import { mkdirSync } from "node:fs";
import { open, type Database, type RootDatabase, type RootDatabaseOptionsWithPath } from "lmdb";
import { newBytes } from "../../protocol/small-bytes.ts";
import { DamagedRow, type Range, type ReadTx, type Row, type RowKey } from "../core/tx.ts";
import type { Position, StoredWrite } from "./batch.ts";
import {
  CHUNK_BYTES,
  CHUNK_INDEX_BYTES,
  chunkCount,
  chunkHead,
  chunkKey,
  joinChunks,
} from "./chunks.ts";
import { openRow, ROW_HEADER_BYTES, sealedRow } from "./row.ts";
import { CorruptRowError, FencedError } from "./store.ts";

const EPOCH = Buffer.from("epoch");
const LAST = Buffer.from("last");
/** A row that stays: LMDB has had trouble with databases whose only row goes. */
const KEEP = Buffer.from("\0keep");
const NOTHING = Buffer.from([0]);
/** Below every key but those of the store itself. */
const FIRST_KEY = Buffer.from([1]);
/** Only address space: the file grows by need, and a map this large is never moved. */
const MAP_BYTES = 64 * 2 ** 30;

/** With what lmdb-js takes and its types do not list. */
type Options = RootDatabaseOptionsWithPath & {
  readonly safeRestore: boolean;
  readonly batchStartThreshold: number;
  readonly permissionsMode: number;
};

type Table = Database<Buffer, Buffer>;

/** One write, ready to be handed over. */
interface Planned {
  readonly key: Buffer;
  readonly row: Buffer | undefined;
  readonly chunks: readonly Buffer[];
  /** Chunks of the row before that the new one does not overwrite. */
  readonly staleFrom: number;
  readonly staleTo: number;
}

/**
 * Makes an empty file in a directory that is there; on the disk when it resolves, but for the names
 * in that directory. LMDB writes the first two pages of a new file without a flush in between: of a
 * file that a power loss has left with only one of them it dies (SIGSEGV) at every later start. So it
 * is made under another name, and `LmdbRows` only sees whole ones.
 */
export async function makeLmdbRows(path: string): Promise<void> {
  const env = openEnvironment(path);
  openTables(env);
  await env.close();
}

/** Rows that nobody has open, to be looked at, damaged ones among them. */
export interface LmdbInspection extends ReadTx {
  /** The last batch that was applied. */
  readonly position: Position;
  /** Pieces of values that no row speaks of. */
  loosePieces(): number;
  close(): Promise<void>;
}

/** Changes nothing in there. @throws when there is nothing, or nothing that LMDB can open */
export function inspectLmdbRows(path: string): LmdbInspection {
  const env = openEnvironment(path, { readOnly: true });
  const { meta, rows, chunks } = openTables(env);
  return {
    position: positionIn(meta),
    get: (key) => getFrom(rows, chunks, key),
    range: (range) => rangeFrom(rows, chunks, range),
    loosePieces: () => countLoosePieces(rows, chunks),
    close: () => env.close(),
  };
}

/**
 * Begins the next epoch as it opens, durable when the constructor returns. The caller syncs the
 * directories, whose entries LMDB does not flush.
 */
export class LmdbRows implements ReadTx {
  readonly epoch: number;
  readonly #path: string;
  readonly #env: RootDatabase<Buffer, Buffer>;
  readonly #meta: Table;
  readonly #rows: Table;
  readonly #chunks: Table;
  /** Whether any value is in pieces: only then a write may leave some behind. */
  #hasChunks: boolean;

  /** @param path directory of the partition; made, for its owner alone, when it is not there */
  constructor(path: string) {
    this.#path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    this.#env = openEnvironment(path);
    const { meta, rows, chunks } = openTables(this.#env);
    this.#meta = meta;
    this.#rows = rows;
    this.#chunks = chunks;
    this.epoch = this.#beginEpoch();
    this.#hasChunks = [...this.#chunks.getKeys({ start: FIRST_KEY, limit: 1 })].length > 0;
  }

  /** The last batch that was applied. Read as it opens. */
  get position(): Position {
    return positionIn(this.#meta);
  }

  get(key: RowKey): Uint8Array | undefined {
    return getFrom(this.#rows, this.#chunks, key);
  }

  range(range: Range): Row[] {
    return rangeFrom(this.#rows, this.#chunks, range);
  }

  /**
   * Writes what leads to the batch at `position`, in any order, each key once; durable, and shown by
   * reads, when it resolves.
   *
   * @throws FencedError when another runtime has opened the directory
   */
  async apply(writes: readonly StoredWrite[], position: Position): Promise<void> {
    const plan = this.#plan(writes);
    const applied = await this.#meta.ifVersion(EPOCH, this.epoch, () => this.#put(plan, position));
    if (!applied) throw this.#fenced();
    // From here on reads must show it: what covered these rows is about to let go of them.
    this.#env.resetReadTxn();
  }

  /** The same while nothing else is under way yet: at the start. */
  applySync(writes: readonly StoredWrite[], position: Position): void {
    const plan = this.#plan(writes);
    this.#env.transactionSync(() => this.#put(plan, position));
  }

  /** @throws FencedError when another runtime has opened the directory */
  checkEpoch(): void {
    this.#env.resetReadTxn();
    if (this.#meta.getEntry(EPOCH)?.version !== this.epoch) throw this.#fenced();
  }

  close(): Promise<void> {
    return this.#env.close();
  }

  /** Nearly all are written as they are. */
  #plan(writes: readonly StoredWrite[]): (StoredWrite | Planned)[] {
    return writes.map((write) => (this.#isWhole(write) ? write : this.#planOne(write)));
  }

  #put(plan: readonly (StoredWrite | Planned)[], position: Position): void {
    // The promises of single writes say nothing: that of the batch does.
    void this.#meta.put(LAST, sealedRow("last", encodeLast(position)), 0);
    for (const write of plan) {
      if ("chunks" in write) this.#putPlanned(write);
      else {
        const { keyBytes, stored } = write;
        if (stored === undefined) void this.#rows.remove(keyBytes);
        else void this.#rows.put(keyBytes, stored);
      }
    }
  }

  #putPlanned({ key, row, chunks, staleFrom, staleTo }: Planned): void {
    if (row === undefined) void this.#rows.remove(key);
    else void this.#rows.put(key, row);
    for (const [i, chunk] of chunks.entries()) void this.#chunks.put(chunkKey(key, i), chunk);
    for (let i = staleFrom; i < staleTo; i++) void this.#chunks.remove(chunkKey(key, i));
  }

  #isWhole({ storedBytes }: StoredWrite): boolean {
    return !this.#hasChunks && storedBytes <= ROW_HEADER_BYTES + CHUNK_BYTES;
  }

  #planOne({ keyBytes: key, stored: row }: StoredWrite): Planned {
    const staleTo = this.#hasChunks ? this.#chunksOf(key) : 0;
    if (row === undefined) return { key, row: undefined, chunks: [], staleFrom: 0, staleTo };
    if (row.length <= ROW_HEADER_BYTES + CHUNK_BYTES) {
      return { key, row, chunks: [], staleFrom: 0, staleTo };
    }
    this.#hasChunks = true;
    const { head, chunks } = chunkHead(row);
    return { key, row: head, chunks, staleFrom: chunks.length, staleTo };
  }

  /** How many pieces the value has that stands under this key now. */
  #chunksOf(key: Buffer): number {
    const stored = this.#rows.getBinary(key);
    return stored === undefined ? 0 : chunkCount(stored);
  }

  /** The last synchronous write: nothing else is under way yet. */
  #beginEpoch(): number {
    return this.#env.transactionSync(() => {
      const epoch = (this.#meta.getEntry(EPOCH)?.version ?? 0) + 1;
      this.#meta.putSync(EPOCH, NOTHING, epoch);
      if (epoch === 1) {
        this.#meta.putSync(LAST, sealedRow("last", encodeLast({ number: 0, digest: "" })), 0);
        this.#rows.putSync(KEEP, NOTHING);
        this.#chunks.putSync(KEEP, NOTHING);
      }
      return epoch;
    });
  }

  #fenced(): FencedError {
    return new FencedError(
      `another runtime has opened ${this.#path} after this one (epoch ${this.epoch}); this one stops`,
    );
  }
}

function positionIn(meta: Table): Position {
  return decodeLast(openRow("last", meta.getBinary(LAST) ?? NOTHING));
}

function getFrom(rows: Table, chunks: Table, key: RowKey): Uint8Array | undefined {
  const stored = copyOf(rows, Buffer.from(key, "latin1"));
  return stored === undefined ? undefined : markedValueOf(chunks, key, stored);
}

/**
 * `getBinary` makes a piece of memory for each value, which costs as much again as to find it. What
 * `getBinaryFast` gives is overwritten by the next read.
 */
function copyOf(rows: Table, key: Buffer): Uint8Array | undefined {
  const found = rows.getBinaryFast(key);
  if (found === undefined) return undefined;
  const { lastSize } = rows as Table & { readonly lastSize: number };
  const stored = newBytes(lastSize);
  // Not by its length or a method of its own: that is of memory which all reads share.
  stored.set(new Uint8Array(found.buffer, found.byteOffset, lastSize));
  return stored;
}

function rangeFrom(rows: Table, chunks: Table, range: Range): Row[] {
  return rangeOf(rows, range).map(([key, stored]) => [key, markedValueOf(chunks, key, stored)]);
}

function rangeOf(rows: Table, { from, to, limit }: Range): (readonly [RowKey, Buffer])[] {
  const start = from < "\x01" ? FIRST_KEY : Buffer.from(from, "latin1");
  const end = Buffer.from(to, "latin1");
  const found: (readonly [RowKey, Buffer])[] = [];
  // To LMDB an empty end would mean "no end".
  if (limit <= 0 || Buffer.compare(start, end) >= 0) return found;
  for (const { key, value } of rows.getRange({ start, end, limit })) {
    found.push([key.toString("latin1"), value]);
  }
  return found;
}

/** A damaged row is marked and not thrown: one flipped bit must not end everything else. */
function markedValueOf(chunks: Table, key: RowKey, stored: Uint8Array): Uint8Array {
  try {
    return valueOf(chunks, key, stored);
  } catch (error) {
    if (error instanceof CorruptRowError) return new DamagedRow(error.problem);
    throw error;
  }
}

/** @throws CorruptRowError when it is not what was written */
function valueOf(chunks: Table, key: RowKey, stored: Uint8Array): Uint8Array {
  if (chunkCount(stored) === 0) return openRow(key, stored);
  return joinChunks(key, stored, (chunk) => chunks.getBinary(chunk));
}

function countLoosePieces(rows: Table, chunks: Table): number {
  let loose = 0;
  for (const key of chunks.getKeys({ start: FIRST_KEY })) {
    const row = rows.getBinary(key.subarray(0, -CHUNK_INDEX_BYTES));
    const index = key.readUInt32BE(key.length - CHUNK_INDEX_BYTES);
    if (row === undefined || index >= chunkCount(row)) loose++;
  }
  return loose;
}

function openEnvironment(
  path: string,
  { readOnly = false }: { readonly readOnly?: boolean } = {},
): RootDatabase<Buffer, Buffer> {
  const options: Options = {
    path,
    readOnly,
    encoding: "binary",
    keyEncoding: "binary",
    overlappingSync: false,
    safeRestore: true,
    mapSize: MAP_BYTES,
    maxDbs: 16,
    // All of a batch is written down before LMDB's thread begins with it.
    batchStartThreshold: 1e9,
    // Commits are gathered above. Gathering here too would add a promise of its own, which nobody
    // can catch: a failed commit would end the process before anyone hears of it.
    eventTurnBatching: false,
    permissionsMode: 0o600,
    // A dot in the last part of a path would make it the name of a file.
    noSubdir: false,
  };
  return open(options);
}

/** A table that is not there is made, durable when this returns. */
function openTables(env: RootDatabase<Buffer, Buffer>): Record<"meta" | "rows" | "chunks", Table> {
  const binary = { encoding: "binary", keyEncoding: "binary" } as const;
  return {
    meta: env.openDB("meta", { ...binary, useVersions: true }),
    rows: env.openDB("rows", binary),
    chunks: env.openDB("chunks", binary),
  };
}

function encodeLast({ number, digest }: Position): Buffer {
  const bytes = Buffer.alloc(22);
  bytes.writeUIntBE(number, 0, 6);
  bytes.write(digest, 6, "hex");
  return bytes;
}

function decodeLast(value: Uint8Array): Position {
  const bytes = asBuffer(value);
  const number = bytes.readUIntBE(0, 6);
  return { number, digest: number === 0 ? "" : bytes.toString("hex", 6) };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
