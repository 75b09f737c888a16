/**
 * The seam below which a store lives. Nothing above it knows LMDB, or assumes that a batch is in
 * LMDB when it is durable, that only one commit is in flight, or that a commit is quick.
 *
 * 1. `commit` resolves when the batch, and every batch before it, is durable; never before.
 * 2. Batches become durable in the order of their numbers: after a crash the store holds a prefix.
 * 3. A batch is applied as a whole or not at all, together with its number.
 * 4. `get` and `range` see every batch whose commit has resolved, and none that is not durable.
 * 5. A commit that rejects, or of which nobody knows the outcome, is never tried again: the store
 *    is unusable from then on, and the process stops (fail stop).
 * 6. A row that is not what was written is there, with a `DamagedRow` for its value: reads do not
 *    throw, and whoever needs the value decides.
 * 7. After another `open` of the same directory, every commit of this one rejects with FencedError.
 */
import type { ReadTx } from "../core/tx.ts";

export interface Store extends ReadTx {
  /** The tenure that `open` began: durable before `open` resolved. */
  readonly epoch: number;
  /** Number of the last durable batch at open; 0 in a new store. */
  readonly batchNumber: number;
  /** Digest of that batch (hex); "" in a new store. */
  readonly batchDigest: string;
  /** `batch` is what `encodeBatch` made. */
  commit(batch: Uint8Array): Promise<void>;
  /** Resolves if the epoch is still ours; rejects with FencedError if not. */
  confirm(): Promise<void>;
  /** Resolves when the store has failed in something that nobody waits for; it takes no commits any more. */
  readonly failed: Promise<Error>;
  /** Waits for commits in flight. */
  close(): Promise<void>;
}

/** A newer runtime has taken the data directory. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}

/** The data directory is in use by another live runtime. */
export class DirectoryInUseError extends Error {
  override readonly name = "DirectoryInUseError";
}

/** The data was written by a version of Holdfast whose format this one does not know. */
export class UnknownFormatError extends Error {
  override readonly name = "UnknownFormatError";
}

/** The commit log of an earlier runtime lacks something that was durable. */
export class DamagedLogError extends Error {
  override readonly name = "DamagedLogError";

  constructor(problem: string) {
    super(`${problem}. Restore the data directory from a backup.`);
  }
}

/** A stored row that does not match its checksum or cannot be decoded. */
export class CorruptRowError extends Error {
  override readonly name = "CorruptRowError";
  /** Without advice. */
  readonly problem: string;

  constructor(problem: string) {
    super(`${problem}. Restore the data directory from a backup.`);
    this.problem = problem;
  }
}
