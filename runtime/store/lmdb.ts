/**
 * The store on LMDB, and the only file that knows lmdb-js.
 *
 * Owns how batches become durable and how rows lie on the disk. The committer owns when and in which
 * order batches come; `directory-lock.ts` keeps a second runtime out, and the epoch here is the
 * second guard.
 *
 *     meta    "epoch"   version: the epoch         "last"   row of number u48 | digest 16 bytes
 *     rows    key       row (row.ts); of a value above 256 KiB only its size (chunks.ts)
 *     chunks  key | index u32    a piece of such a value
 *
 * 1. `overlappingSync: false`: what LMDB shows is on the disk, and a failed flush is an error. In
 *    lmdb-js's default mode unflushed data is visible and a failed meta page counts as success.
 * 2. A commit is one conditional batch on the version of "epoch": whole or not at all, and nothing
 *    at all once another runtime has opened the directory.
 * 3. Everything is encoded and checked before: what throws inside the callback of a batch would
 *    leave its first half committed.
 * 4. After `open` there is no synchronous write: it would commit half of a batch that is under way.
 * 5. One commit at a time reaches LMDB, so that a commit sees the rows as the one before left them.
 * 6. A commit that fails or is late is the last one: after a failed flush the next one may lie.
 * 7. A range is read in one go: an iterator that stays open pins pages, and the file grows.
 */
import { mkdirSync } from "node:fs";
import { open, type Database, type RootDatabase, type RootDatabaseOptionsWithPath } from "lmdb";
import { DamagedRow, type Range, type Row, type RowKey } from "../core/tx.ts";
import { batchDigest, checkFollows, decodeBatch, StoredWrite, type Batch } from "./batch.ts";
import {
  CHUNK_BYTES,
  CHUNK_INDEX_BYTES,
  chunkCount,
  chunkHead,
  chunkKey,
  joinChunks,
} from "./chunks.ts";
import { CommitFailedError, watchCommit } from "./commit-watch.ts";
import { openRow, ROW_HEADER_BYTES, sealedRow } from "./row.ts";
import { CorruptRowError, FencedError, type Store } from "./store.ts";

export interface LmdbStoreOptions {
  /** Directory of the partition; made, for its owner alone, when it is not there. */
  readonly path: string;
  /** A commit has taken `commitWarnMs`, and goes on. */
  readonly onSlowCommit?: (elapsedMs: number) => void;
  /** Default 10 s. */
  readonly commitWarnMs?: number;
  /** When a commit counts as failed. Default 30 s. */
  readonly commitTimeoutMs?: number;
}

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

interface Position {
  readonly number: number;
  readonly digest: string;
}

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
 * Opens the store in a directory, or makes it, and begins the next epoch, durable when this returns.
 * The caller syncs the directories, whose entries LMDB does not flush.
 */
export function openLmdbStore(options: LmdbStoreOptions): Store {
  return new LmdbStore(options);
}

/**
 * Makes an empty store in a directory that is there; on the disk when it resolves, but for the names
 * in that directory. LMDB writes the first two pages of a new file without a flush in between: of a
 * file that a power loss has left with only one of them it dies (SIGSEGV) at every later start. So a
 * store is made under another name, and `openLmdbStore` only sees whole ones.
 */
export async function makeLmdbStore(path: string): Promise<void> {
  const env = openEnvironment(path);
  openTables(env);
  await env.close();
}

/** A store that nobody has open, to be looked at row by row, damaged ones among them. */
export interface StoreInspection {
  readonly batchNumber: number;
  get(key: RowKey): Inspected | undefined;
  /** In key order. */
  range(range: Range): (readonly [RowKey, Inspected])[];
  /** Pieces of values that no row speaks of. */
  loosePieces(): number;
  close(): Promise<void>;
}

/** A value, or what is wrong with its row. */
export type Inspected = { readonly value: Uint8Array } | { readonly damage: string };

/** Changes nothing in there. @throws when there is no store, or none that LMDB can open */
export function inspectLmdbStore(path: string): StoreInspection {
  const env = openEnvironment(path, { readOnly: true });
  const { meta, rows, chunks } = openTables(env);
  const inspect = (key: RowKey, stored: Buffer): Inspected => {
    try {
      return { value: valueOf(chunks, key, stored) };
    } catch (error) {
      return { damage: error instanceof Error ? error.message : String(error) };
    }
  };
  return {
    batchNumber: decodeLast(openRow("last", meta.getBinary(LAST) ?? NOTHING)).number,
    get: (key) => {
      const stored = rows.getBinary(Buffer.from(key, "latin1"));
      return stored && inspect(key, stored);
    },
    range: (range) =>
      rangeOf(rows, range).map(([key, stored]) => [key, inspect(key, stored)] as const),
    loosePieces: () => countLoosePieces(rows, chunks),
    close: () => env.close(),
  };
}

class LmdbStore implements Store {
  readonly epoch: number;
  readonly batchNumber: number;
  readonly batchDigest: string;
  readonly #options: LmdbStoreOptions;
  readonly #env: RootDatabase<Buffer, Buffer>;
  readonly #meta: Table;
  readonly #rows: Table;
  readonly #chunks: Table;
  /** Whether any value is in pieces: only then a write may leave some behind. */
  #hasChunks: boolean;
  #submitted: Position;
  #queue: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #confirming: Promise<void> | undefined;

  constructor(options: LmdbStoreOptions) {
    this.#options = options;
    mkdirSync(options.path, { recursive: true, mode: 0o700 });
    this.#env = openEnvironment(options.path);
    const { meta, rows, chunks } = openTables(this.#env);
    this.#meta = meta;
    this.#rows = rows;
    this.#chunks = chunks;
    this.epoch = this.#beginEpoch();
    this.#submitted = decodeLast(openRow("last", this.#meta.getBinary(LAST) ?? NOTHING));
    this.batchNumber = this.#submitted.number;
    this.batchDigest = this.#submitted.digest;
    this.#hasChunks = [...this.#chunks.getKeys({ start: FIRST_KEY, limit: 1 })].length > 0;
  }

  get(key: RowKey): Uint8Array | undefined {
    const stored = this.#rows.getBinary(Buffer.from(key, "latin1"));
    return stored === undefined ? undefined : this.#value(key, stored);
  }

  range(range: Range): Row[] {
    return rangeOf(this.#rows, range).map(([key, stored]) => [key, this.#value(key, stored)]);
  }

  commit(bytes: Uint8Array): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    let batch: Batch;
    try {
      batch = decodeBatch(bytes);
      checkFollows(batch, { epoch: this.epoch, ...this.#submitted });
    } catch (error) {
      return Promise.reject(this.#fail(error));
    }
    const position = { number: batch.number, digest: batchDigest(bytes) };
    this.#submitted = position;
    const done = this.#queue.then(() => this.#commitNext(batch, position));
    // Whoever waits for the queue only wants it to be empty; the failure is kept.
    this.#queue = done.catch(() => undefined);
    return done;
  }

  confirm(): Promise<void> {
    // All who ask before the look share it: it comes after whatever they have read.
    this.#confirming ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#confirming = undefined;
        try {
          this.#checkEpoch();
          resolve();
        } catch (error) {
          reject(this.#fail(error));
        }
      });
    });
    return this.#confirming;
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#confirming?.catch(() => undefined);
    // LMDB may be stuck for good in what failed; only the end of the process gets out of that.
    if (this.#failure instanceof CommitFailedError) return;
    this.#failure ??= new Error("the store is closed");
    await this.#env.close();
  }

  async #commitNext(batch: Batch, position: Position): Promise<void> {
    if (this.#failure) throw this.#failure;
    try {
      const written = this.#write(batch, position);
      const applied = await watchCommit(written, { ...this.#options, batchNumber: batch.number });
      if (!applied) throw this.#fenced();
      // From here on reads must show the batch: the overlay is about to let go of it.
      this.#env.resetReadTxn();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #write(batch: Batch, position: Position): Promise<boolean> {
    const last = sealedRow("last", encodeLast(position));
    const plan = batch.writes.map((write) => (this.#isWhole(write) ? write : this.#plan(write)));
    return this.#meta.ifVersion(EPOCH, this.epoch, () => {
      // The promises of single writes say nothing: that of the batch does.
      void this.#meta.put(LAST, last, 0);
      for (const write of plan) {
        if (write instanceof StoredWrite) {
          if (write.stored === undefined) void this.#rows.remove(write.keyBytes);
          else void this.#rows.put(write.keyBytes, write.stored);
          continue;
        }
        const { key, row, chunks, staleFrom, staleTo } = write;
        if (row === undefined) void this.#rows.remove(key);
        else void this.#rows.put(key, row);
        for (const [i, chunk] of chunks.entries()) void this.#chunks.put(chunkKey(key, i), chunk);
        for (let i = staleFrom; i < staleTo; i++) void this.#chunks.remove(chunkKey(key, i));
      }
    });
  }

  /** Nearly all are: nothing has to be planned for them. */
  #isWhole({ stored }: StoredWrite): boolean {
    return (
      !this.#hasChunks && (stored === undefined || stored.length <= ROW_HEADER_BYTES + CHUNK_BYTES)
    );
  }

  #plan({ keyBytes: key, stored: row }: StoredWrite): Planned {
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

  #value(key: RowKey, stored: Buffer): Uint8Array {
    return markedValueOf(this.#chunks, key, stored);
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

  #checkEpoch(): void {
    if (this.#failure) throw this.#failure;
    this.#env.resetReadTxn();
    if (this.#meta.getEntry(EPOCH)?.version !== this.epoch) throw this.#fenced();
  }

  #fenced(): FencedError {
    return new FencedError(
      `another runtime has opened ${this.#options.path} after this one (epoch ${this.epoch}); this one stops`,
    );
  }

  #fail(error: unknown): Error {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    return this.#failure;
  }
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
function markedValueOf(chunks: Table, key: RowKey, stored: Buffer): Uint8Array {
  try {
    return valueOf(chunks, key, stored);
  } catch (error) {
    if (error instanceof CorruptRowError) return new DamagedRow(error.problem);
    throw error;
  }
}

/** @throws CorruptRowError when it is not what was written */
function valueOf(chunks: Table, key: RowKey, stored: Buffer): Uint8Array {
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
