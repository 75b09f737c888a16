/**
 * A store in memory, over a disk that outlives it. By itself it makes every commit durable at once;
 * a simulator holds commits back, fails them, and crashes with any prefix of them on the disk.
 */
import { assert } from "../../protocol/assert.ts";
import type { Range, Row, RowKey } from "../core/tx.ts";
import { batchDigest, checkFollows, decodeBatch, writtenValue } from "./batch.ts";
import { SortedRows } from "./sorted-rows.ts";
import { FencedError, type Store } from "./store.ts";

/** What survives a crash. */
export class MemoryDisk {
  readonly rows: SortedRows<Uint8Array> = new SortedRows<Uint8Array>();
  epoch = 0;
  number = 0;
  digest = "";
}

interface PendingCommit {
  readonly batch: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface MemoryStoreOptions {
  readonly disk?: MemoryDisk;
  /** "auto" (default) completes commits by itself; "manual" waits for `completeNext`. */
  readonly completion?: "auto" | "manual";
}

export class MemoryStore implements Store {
  readonly epoch: number;
  readonly batchNumber: number;
  readonly batchDigest: string;
  /** It fails in commits alone. */
  readonly failed: Promise<Error> = new Promise(() => undefined);
  readonly #disk: MemoryDisk;
  readonly #manual: boolean;
  #pending: PendingCommit[] = [];
  #failed: Error | undefined;
  #crashed = false;

  private constructor(disk: MemoryDisk, manual: boolean) {
    this.#disk = disk;
    this.#manual = manual;
    this.epoch = ++disk.epoch;
    this.batchNumber = disk.number;
    this.batchDigest = disk.digest;
  }

  static open(options: MemoryStoreOptions = {}): MemoryStore {
    return new MemoryStore(options.disk ?? new MemoryDisk(), options.completion === "manual");
  }

  get(key: RowKey): Uint8Array | undefined {
    return this.#disk.rows.get(key);
  }

  range(range: Range): Row[] {
    return this.#disk.rows.range(range);
  }

  commit(batch: Uint8Array): Promise<void> {
    const bytes = batch.slice();
    return new Promise((resolve, reject) => {
      if (this.#crashed) return;
      this.#pending.push({ batch: bytes, resolve, reject });
      if (!this.#manual) setImmediate(() => this.completeNext());
    });
  }

  async confirm(): Promise<void> {
    await Promise.resolve();
    if (this.#crashed) return new Promise(() => undefined);
    this.#checkEpoch();
  }

  async close(): Promise<void> {
    while (this.#pending.length > 0 && !this.#manual && this.#failed === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Commits that are not durable yet. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Makes the oldest pending commit durable and says so. */
  completeNext(): void {
    const next = this.#pending.shift();
    if (next === undefined) return;
    try {
      if (this.#failed) throw this.#failed;
      this.#checkEpoch();
      this.#apply(next.batch);
      next.resolve();
    } catch (error) {
      this.#failed ??= error instanceof Error ? error : new Error(String(error));
      next.reject(this.#failed);
    }
  }

  /** The oldest pending commit fails, and with it every later one. */
  failNext(error: Error): void {
    this.#failed = error;
    while (this.#pending.length > 0) this.completeNext();
  }

  /** The process dies: of the pending commits the first `keep` had reached the disk. Nobody hears of it. */
  crash(keep: number): void {
    const kept = this.#failed ? [] : this.#pending.slice(0, keep);
    for (const { batch } of kept) {
      if (this.#disk.epoch === this.epoch) this.#apply(batch);
    }
    this.#pending = [];
    this.#crashed = true;
  }

  #apply(bytes: Uint8Array): void {
    const disk = this.#disk;
    const batch = decodeBatch(bytes);
    checkFollows(batch, { epoch: this.epoch, number: disk.number, digest: disk.digest });
    for (const write of batch.writes) {
      const value = writtenValue(write);
      if (write.added) assert(disk.rows.get(write.key) === undefined, "an added row was not there");
      if (value === undefined) disk.rows.delete(write.key);
      else disk.rows.set(write.key, value);
    }
    disk.number = batch.number;
    disk.digest = batchDigest(bytes);
  }

  #checkEpoch(): void {
    if (this.#disk.epoch === this.epoch) return;
    throw new FencedError(`epoch ${this.epoch} was followed by epoch ${this.#disk.epoch}`);
  }
}
