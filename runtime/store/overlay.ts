/**
 * What is written and not yet durable, on top of what is. The state machine reads through it.
 *
 * Owns the open batch and the batches in flight. The committer owns their order on the disk.
 *
 * 1. A read sees the newest write: of the open batch, of a batch in flight, of the store.
 * 2. An entry leaves when its batch is durable, unless a later batch has written the key again.
 * 3. An insert that is removed within the same batch leaves nothing behind: no write, no trace
 *    (net effect). Over a removal in the open batch an insert is a plain put: something older may
 *    stand below.
 */
import { assert } from "../../protocol/assert.ts";
import type { Range, ReadTx, Row, RowKey, Tx } from "../core/tx.ts";
import { WRITE_OVERHEAD_BYTES, type Write } from "./batch.ts";
import { SortedRows } from "./sorted-rows.ts";

interface Entry {
  value: Uint8Array | undefined;
  /** Number of the batch that wrote it last. */
  batch: number;
}

export class Overlay implements Tx {
  readonly #base: ReadTx;
  readonly #entries = new SortedRows<Entry>();
  readonly #index = new Map<RowKey, Entry>();
  /** Keys of the open batch; true when inserted in it and nowhere before. */
  #open = new Map<RowKey, boolean>();
  #openNumber: number;
  #openBytes = 0;
  readonly #sealed = new Map<number, readonly RowKey[]>();

  constructor(base: ReadTx, lastDurable: number) {
    this.#base = base;
    this.#openNumber = lastDurable + 1;
  }

  /** Number that the open batch will have. */
  get openNumber(): number {
    return this.#openNumber;
  }

  get openBytes(): number {
    return this.#openBytes;
  }

  get openWrites(): number {
    return this.#open.size;
  }

  get(key: RowKey): Uint8Array | undefined {
    const entry = this.#index.get(key);
    return entry === undefined ? this.#base.get(key) : entry.value;
  }

  /** Own rows are read in windows, so that the first row of a long range costs no more than a few. */
  range({ from, to, limit }: Range): Row[] {
    const rows: Row[] = [];
    let cursor = from;
    while (rows.length < limit) {
      const wanted = limit - rows.length;
      const window = Math.max(16, 2 * wanted);
      const mine = this.#entries.range({ from: cursor, to, limit: window });
      const last = mine.length === window ? mine.at(-1) : undefined;
      const upper = last === undefined ? to : `${last[0]}\0`;
      // Every own row may hide one below.
      const below = this.#base.range({ from: cursor, to: upper, limit: wanted + mine.length });
      merge(rows, mine, below, limit);
      if (last === undefined) return rows;
      cursor = upper;
    }
    return rows;
  }

  put(key: RowKey, value: Uint8Array): void {
    this.#write(key, value, this.#open.get(key) ?? false);
  }

  insert(key: RowKey, value: Uint8Array): void {
    this.#write(key, value, !this.#index.has(key));
  }

  remove(key: RowKey): void {
    if (this.#open.get(key) === true) {
      const entry = this.#index.get(key);
      assert(entry?.batch === this.#openNumber, "an insert of the open batch is in the overlay");
      this.#openBytes -= sizeOf(key, entry.value);
      this.#open.delete(key);
      this.#drop(key);
      return;
    }
    this.#write(key, undefined, false);
  }

  /** Closes the open batch: its writes, in key order. The next one is open from now on. */
  seal(): { readonly number: number; readonly writes: readonly Write[] } {
    const keys = [...this.#open.keys()].sort();
    const writes = keys.map((key): Write => [key, this.#index.get(key)?.value]);
    const number = this.#openNumber++;
    this.#sealed.set(number, keys);
    this.#open = new Map();
    this.#openBytes = 0;
    return { number, writes };
  }

  /** A batch is durable: the store shows its rows from now on. */
  release(number: number): void {
    const keys = this.#sealed.get(number);
    assert(keys !== undefined, `batch ${number} was not sealed, or was released before`);
    this.#sealed.delete(number);
    for (const key of keys) {
      if (this.#index.get(key)?.batch === number) this.#drop(key);
    }
  }

  #write(key: RowKey, value: Uint8Array | undefined, inserted: boolean): void {
    const entry = this.#index.get(key);
    if (entry === undefined) {
      const fresh = { value, batch: this.#openNumber };
      this.#index.set(key, fresh);
      this.#entries.set(key, fresh);
      this.#openBytes += sizeOf(key, value);
    } else {
      if (entry.batch === this.#openNumber) this.#openBytes -= sizeOf(key, entry.value);
      this.#openBytes += sizeOf(key, value);
      entry.value = value;
      entry.batch = this.#openNumber;
    }
    this.#open.set(key, inserted);
  }

  #drop(key: RowKey): void {
    this.#index.delete(key);
    this.#entries.delete(key);
  }
}

function sizeOf(key: RowKey, value: Uint8Array | undefined): number {
  return key.length + (value?.length ?? 0) + WRITE_OVERHEAD_BYTES;
}

function merge(
  into: Row[],
  mine: readonly [RowKey, Entry][],
  below: readonly Row[],
  limit: number,
): void {
  let i = 0;
  let j = 0;
  while (into.length < limit) {
    const own = mine[i];
    const row = below[j];
    if (own === undefined && row === undefined) return;
    if (own === undefined || (row !== undefined && row[0] < own[0])) {
      if (row !== undefined) into.push(row);
      j++;
      continue;
    }
    if (row !== undefined && row[0] === own[0]) j++;
    const [key, { value }] = own;
    if (value !== undefined) into.push([key, value]);
    i++;
  }
}
