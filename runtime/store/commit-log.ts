/**
 * The commit log of one tenure: batches on the disk before they are in the rows, in a ring of pages.
 *
 * Owns its file: where the next record goes, and which pages may be written again. `log-file.ts` owns
 * what the bytes mean; `logged-store.ts` owns what goes in, and when it is in the rows.
 *
 * 1. An append is one write that is durable when it returns: through O_DSYNC on Linux, elsewhere with
 *    a flush behind it. One at a time.
 * 2. The file has all its blocks from the beginning, written with zeros: an append changes no metadata,
 *    which would be a second flush, and never finds the disk full.
 * 3. Each tenure has a file of its own. One that has lost the directory and does not know it yet cannot
 *    write over what its successor was told is durable.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
  writev,
} from "node:fs";
import { join } from "node:path";
import { assert } from "../../protocol/assert.ts";
import {
  fileHeader,
  newSalt,
  PAGE_BYTES,
  recordHeader,
  recordSpan,
  type LogBytes,
} from "./log-file.ts";

/** What a runtime holds back for at most some tens of milliseconds has room many times. */
export const LOG_BYTES: number = 4 * 1024 * 1024;

const NAME = /^commit-log\.\d+$/;
const DRAFT = "commit-log.new";
/** On macOS it does not reach the disk: there a flush follows. */
const DURABLE_WRITES = process.platform === "linux";
const APPEND = constants.O_WRONLY | (DURABLE_WRITES ? constants.O_DSYNC : 0);

export class CommitLog {
  readonly #path: string;
  readonly #file: number;
  readonly #salt: Buffer;
  readonly #sizeBytes: number;
  /** Where the next record goes, and where the oldest one begins that is not in the rows. */
  #head: number = PAGE_BYTES;
  #tail: number = PAGE_BYTES;
  /** Pages between them, and those that a record left free before it went to the beginning. */
  #usedBytes = 0;
  #appending = false;

  /** Makes the file of this epoch. Its name is durable once its directory is flushed. */
  constructor(directory: string, epoch: number, sizeBytes: number = LOG_BYTES) {
    assert(sizeBytes % PAGE_BYTES === 0, "a commit log has whole pages");
    this.#salt = newSalt();
    this.#sizeBytes = sizeBytes;
    this.#path = join(directory, `commit-log.${epoch}`);
    const draft = join(directory, DRAFT);
    try {
      writeZeros(draft, this.#salt, sizeBytes);
      renameSync(draft, this.#path);
      this.#file = openSync(this.#path, APPEND);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(
        `${this.#path}, the commit log of ${sizeBytes / 2 ** 20} MiB, cannot be made: ${reason}`,
        { cause: error },
      );
    }
  }

  /** What is larger would leave no room for others, or has none at all. */
  takes(batchBytes: number): boolean {
    return recordSpan(batchBytes) <= (this.#sizeBytes - PAGE_BYTES) / 2;
  }

  /** Whether a batch fits in now. If not, `release` makes room. */
  hasRoom(batchBytes: number): boolean {
    return this.#placeOf(recordSpan(batchBytes)) !== undefined;
  }

  /**
   * Durable when it resolves. Whatever a rejection left on the disk, nothing may be appended after it.
   * By callbacks: an answer waits for each promise between the disk and its frame (docs/performance.md).
   */
  append(batch: Uint8Array): Promise<void> {
    assert(!this.#appending, "one record at a time is appended");
    const spanBytes = recordSpan(batch.length);
    const place = this.#placeOf(spanBytes);
    assert(place !== undefined, "the commit log has room for what is appended");
    this.#appending = true;
    const header = recordHeader(this.#salt, batch.length);
    const bytes = header.length + batch.length;
    return new Promise((resolve, reject) => {
      const durable = (error: Error | null): void => {
        if (error) {
          reject(error);
          return;
        }
        this.#appending = false;
        this.#head = place.at + spanBytes;
        this.#usedBytes += place.skippedBytes + spanBytes;
        resolve();
      };
      const written = (error: Error | null, bytesWritten: number): void => {
        if (error) reject(error);
        // Less is written where the disk is full or a signal came: it cannot be told from an error.
        else if (bytesWritten !== bytes) {
          reject(new Error(`${bytesWritten} of ${bytes} bytes were written`));
        } else if (DURABLE_WRITES) durable(null);
        else fdatasync(this.#file, durable);
      };
      writev(this.#file, [header, batch], place.at, written);
    });
  }

  /** What a later `release` lets go: all that is appended by now. */
  mark(): LogMark {
    return { head: this.#head, usedBytes: this.#usedBytes };
  }

  /** All up to the mark is in the rows. */
  release({ head, usedBytes }: LogMark): void {
    this.#tail = head;
    this.#usedBytes -= usedBytes;
  }

  close(): void {
    closeSync(this.#file);
  }

  /** All that it holds is in the rows. */
  remove(): void {
    rmSync(this.#path, { force: true });
  }

  /** Where a record would begin, and what stays free at the end for that; undefined without room. */
  #placeOf(spanBytes: number): { readonly at: number; readonly skippedBytes: number } | undefined {
    const full = this.#usedBytes > 0 && this.#head === this.#tail;
    if (full) return undefined;
    const wrapped = this.#head < this.#tail;
    const end = wrapped ? this.#tail : this.#sizeBytes;
    if (this.#head + spanBytes <= end) return { at: this.#head, skippedBytes: 0 };
    const limit = this.#usedBytes === 0 ? this.#sizeBytes : this.#tail;
    if (wrapped || PAGE_BYTES + spanBytes > limit) return undefined;
    return { at: PAGE_BYTES, skippedBytes: this.#sizeBytes - this.#head };
  }
}

/** Up to where a log was appended, and how many bytes that were. */
export interface LogMark {
  readonly head: number;
  readonly usedBytes: number;
}

/** The logs that earlier tenures left behind, in a directory that is there. */
export function readLogs(directory: string): LogBytes[] {
  return logPaths(directory).map((path) => ({ path, bytes: readFileSync(path) }));
}

/** All that they hold is in the rows. */
export function removeLogs(logs: readonly LogBytes[]): void {
  for (const { path } of logs) rmSync(path, { force: true });
}

function logPaths(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => NAME.test(name))
    .map((name) => join(directory, name));
}

/**
 * Page by page: of larger writes Linux makes larger pieces of its cache, and each later append would be
 * accounted as one of those.
 */
function writeZeros(path: string, salt: Buffer, sizeBytes: number): void {
  const file = openSync(path, "w", 0o600);
  try {
    writeAll(file, fileHeader(salt), 0);
    const zeros = Buffer.alloc(PAGE_BYTES);
    for (let at = PAGE_BYTES; at < sizeBytes; at += PAGE_BYTES) writeAll(file, zeros, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Buffer, at: number): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(file, bytes, written, bytes.length - written, at + written);
  }
}
