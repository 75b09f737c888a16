/**
 * The store that ships: a commit log in front of rows on LMDB. A batch is durable when it is in the log,
 * which is one flush; many batches later are written to the rows together, which is two.
 *
 * Owns the order of these things. `commit-log.ts` owns the pages of the log, `lmdb.ts` the rows.
 *
 * 1. A batch is durable, and shown by reads, when its record is in the log and the epoch was still ours
 *    after that. A runtime that opens the directory moves the epoch first and reads the logs of its
 *    predecessors then: it finds whatever these may have told anybody.
 * 2. What is durable and not in the rows is held in memory, over them (`held-rows.ts`), and in the log.
 *    Its pages are free for others once the rows have it.
 * 3. The position in the rows is that of the last batch of a group: all of it is there, or none.
 * 4. A batch too large for the log goes to the rows, after all before it.
 * 5. An error, also one that nobody waits for, is the end of the store (fail stop).
 */
import type { Range, Row, RowKey } from "../core/tx.ts";
import {
  batchDigest,
  checkFollows,
  decodeBatch,
  type StoredWrite,
  type Batch,
  type Position,
} from "./batch.ts";
import { CommitLog, LOG_BYTES, readLogs, removeLogs } from "./commit-log.ts";
import { CommitFailedError, watchCommit, type CommitWatch } from "./commit-watch.ts";
import { HeldRows } from "./held-rows.ts";
import { LmdbRows } from "./lmdb.ts";
import { followLogs } from "./log-file.ts";
import type { Store } from "./store.ts";

export interface LoggedStoreOptions extends CommitWatch {
  /** Directory of the partition; made, for its owner alone, when it is not there. */
  readonly path: string;
  /** Size of the log's file. */
  readonly logBytes?: number;
  /** How much of it is gathered before it is written to the rows. Default 512 KiB. */
  readonly groupBytes?: number;
  /** When less than that is written to the rows all the same. Default 200 ms. */
  readonly groupMsMax?: number;
}

/** More is more in one turn of the event loop; less writes the same pages more often. */
const GROUP_BYTES = 512 * 1024;
const GROUP_MS_MAX = 200;

/**
 * Opens the store in a directory, or makes it, and begins the next epoch, durable when this returns.
 * The caller syncs the directories before it commits.
 *
 * @throws DamagedLogError when the log of an earlier tenure lacks something that was durable
 */
export function openLoggedStore(options: LoggedStoreOptions): Store {
  const { path, logBytes = LOG_BYTES } = options;
  const rows = new LmdbRows(path);
  const logs = readLogs(path);
  const { batches, position } = followLogs(logs, rows.position);
  if (batches.length > 0) replay(rows, batches, position, path);
  // First, so that a disk that is full has room for the new one.
  removeLogs(logs);
  const log = new CommitLog(path, rows.epoch, logBytes);
  return new LoggedStore(rows, log, position, options);
}

function replay(rows: LmdbRows, batches: readonly Batch[], to: Position, path: string): void {
  try {
    rows.applySync(merged(batches), to);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${batches.length} batches of the commit log in ${path} could not be written to the rows: ${reason}. They are in the log as before: make sure that there is room on the disk and that it works, then start again.`,
      { cause: error },
    );
  }
}

function positionAfter({ number }: Batch, bytes: Uint8Array): Position {
  return { number, digest: batchDigest(bytes) };
}

/** The newest write of each key. */
function merged(batches: readonly Batch[]): readonly StoredWrite[] {
  const newest = new Map<RowKey, StoredWrite>();
  for (const { writes } of batches) for (const write of writes) newest.set(write.key, write);
  return [...newest.values()];
}

class LoggedStore implements Store {
  readonly epoch: number;
  readonly batchNumber: number;
  readonly batchDigest: string;
  readonly failed: Promise<Error>;
  readonly #tellFailed: (error: Error) => void;
  readonly #options: LoggedStoreOptions;
  readonly #groupBytes: number;
  readonly #groupMsMax: number;
  readonly #rows: LmdbRows;
  readonly #log: CommitLog;
  readonly #held: HeldRows;
  #heldBytes = 0;
  #heldPosition: Position;
  #applying: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #submitted: Position;
  /** Commits that are not done. */
  #open = 0;
  /** Settles with the last of them. */
  #queue: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #confirming: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(rows: LmdbRows, log: CommitLog, position: Position, options: LoggedStoreOptions) {
    let tellFailed: (error: Error) => void = () => undefined;
    this.failed = new Promise((resolve) => {
      tellFailed = resolve;
    });
    this.#tellFailed = tellFailed;
    this.#options = options;
    this.#groupBytes = options.groupBytes ?? GROUP_BYTES;
    this.#groupMsMax = options.groupMsMax ?? GROUP_MS_MAX;
    this.#rows = rows;
    this.#log = log;
    this.#held = new HeldRows(rows);
    this.#heldPosition = position;
    this.#submitted = position;
    this.epoch = rows.epoch;
    this.batchNumber = position.number;
    this.batchDigest = position.digest;
  }

  get(key: RowKey): Uint8Array | undefined {
    return this.#held.get(key);
  }

  range(range: Range): Row[] {
    return this.#held.range(range);
  }

  commit(bytes: Uint8Array): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    let batch: Batch;
    try {
      batch = decodeBatch(bytes);
      const { number, digest } = this.#submitted;
      checkFollows(batch, { epoch: this.epoch, number, digest });
    } catch (error) {
      return Promise.reject(this.#fail(error));
    }
    const commit = (): Promise<void> => this.#commitNext(batch, bytes);
    // At once where nothing is before it: the caller has more to do, which the disk need not wait for.
    const done = this.#open++ === 0 ? commit() : this.#queue.then(commit);
    // Only now: a digest takes time, and the disk is at work.
    this.#submitted = positionAfter(batch, bytes);
    // Whoever waits for the queue only wants it to be empty; the failure is kept.
    const ended = (): void => void this.#open--;
    this.#queue = done.then(ended, ended);
    return done;
  }

  confirm(): Promise<void> {
    // All who ask before the look share it: it comes after whatever they have read.
    this.#confirming ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#confirming = undefined;
        try {
          if (this.#failure) throw this.#failure;
          this.#rows.checkEpoch();
          resolve();
        } catch (error) {
          reject(this.#fail(error));
        }
      });
    });
    return this.#confirming;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#queue;
    await this.#confirming?.catch(() => undefined);
    // LMDB may be stuck for good in what failed; only the end of the process gets out of that.
    if (this.#failure instanceof CommitFailedError) return;
    const sound = this.#failure === undefined;
    if (sound) await this.#applyAll();
    clearTimeout(this.#timer);
    this.#failure ??= new Error("the store is closed");
    this.#log.close();
    // All of it is in the rows; that of one that failed is for the next tenure to read.
    if (sound) this.#log.remove();
    await this.#rows.close();
  }

  async #commitNext(batch: Batch, bytes: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    try {
      if (!this.#log.takes(bytes.length)) return await this.#commitToRows(batch, bytes);
      while (!this.#log.hasRoom(bytes.length)) await this.#apply();
      await this.#watch(this.#log.append(bytes), batch.number);
      this.#rows.checkEpoch();
    } catch (error) {
      throw this.#fail(error);
    }
    this.#hold(batch, bytes.length, positionAfter(batch, bytes));
  }

  #hold({ writes }: Batch, bytes: number, position: Position): void {
    this.#held.hold(writes);
    this.#heldBytes += bytes;
    this.#heldPosition = position;
    this.#schedule();
  }

  /** Sees to it that what is held goes to the rows, soon. */
  #schedule(): void {
    if (this.#heldBytes === 0 || this.#failure || this.#applying) return;
    if (this.#heldBytes >= this.#groupBytes) this.#applyInBackground();
    else this.#timer ??= setTimeout(() => this.#applyInBackground(), this.#groupMsMax);
  }

  async #commitToRows(batch: Batch, bytes: Uint8Array): Promise<void> {
    await this.#applyAll();
    const position = positionAfter(batch, bytes);
    await this.#watch(this.#rows.apply(batch.writes, position), batch.number);
    this.#heldPosition = position;
  }

  async #applyAll(): Promise<void> {
    while (this.#heldBytes > 0 || this.#applying) await this.#apply();
  }

  /** `failed` says when it did. */
  #applyInBackground(): void {
    this.#apply().catch((error: unknown) => this.#tellFailed(this.#fail(error)));
  }

  /** Writes the group to the rows, if none is on its way there. */
  #apply(): Promise<void> {
    this.#applying ??= this.#applyGroup().finally(() => {
      this.#applying = undefined;
      this.#schedule();
    });
    return this.#applying;
  }

  async #applyGroup(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const position = this.#heldPosition;
    const mark = this.#log.mark();
    const writes = this.#held.leave();
    this.#heldBytes = 0;
    try {
      if (this.#failure) throw this.#failure;
      await this.#watch(this.#rows.apply(writes, position), position.number);
    } catch (error) {
      throw this.#fail(error);
    }
    this.#held.arrived();
    this.#log.release(mark);
  }

  #watch(commit: Promise<void>, batchNumber: number): Promise<void> {
    return watchCommit(commit, batchNumber, this.#options);
  }

  #fail(error: unknown): Error {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    return this.#failure;
  }
}
