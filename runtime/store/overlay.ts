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
 * 4. The bytes of a late row are made when it is read or when its batch is sealed, whichever comes
 *    first: what its owner changes after that belongs to a later batch, and is written there.
 */
import { assert } from "../../protocol/assert.ts";
import type { LateRow, Range, ReadTx, Row, RowKey, Tx } from "../core/tx.ts";
import { WRITE_OVERHEAD_BYTES, type Write } from "./batch.ts";
import { LateSorted, type Placed } from "./late-sorted.ts";

/** What a late row counts for until its bytes are made: about a record, rather too much. */
const LATE_ROW_BYTES = 512;

interface Entry extends Placed {
  value: Uint8Array | undefined;
  /** Makes the value; then it is undefined. */
  late: LateRow | undefined;
  /** Number of the batch that wrote it last. */
  batch: number;
  /** By an insert of that batch, and nowhere before. */
  inserted: boolean;
}

interface Sealed {
  readonly number: number;
  readonly entries: readonly Entry[];
}

export class Overlay implements Tx {
  readonly #base: ReadTx;
  #index = new Map<RowKey, Entry>();
  readonly #sorted = new LateSorted<Entry>();
  /** Entries of the open batch. */
  #open = new Set<Entry>();
  /** Late rows of the open batch whose bytes are not made. */
  #late = new Set<LateRow>();
  #openNumber: number;
  #openBytes = 0;
  /** Oldest first. */
  readonly #sealed: Sealed[] = [];

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
    return entry === undefined ? this.#base.get(key) : this.#valueOf(entry);
  }

  /** Own rows are read in windows, so that the first row of a long range costs no more than a few. */
  range({ from, to, limit }: Range): Row[] {
    const rows: Row[] = [];
    let cursor = from;
    while (rows.length < limit) {
      const wanted = limit - rows.length;
      const window = Math.max(16, 2 * wanted);
      const found = this.#sorted.range({ from: cursor, to, limit: window });
      const mine = this.#enough(found, wanted);
      const last = mine.length < found.length || found.length === window ? mine.at(-1) : undefined;
      const upper = last === undefined ? to : `${last[0]}\0`;
      // Every own row may hide one below.
      const below = this.#base.range({ from: cursor, to: upper, limit: wanted + mine.length });
      this.#merge(rows, mine, below, limit);
      if (last === undefined) return rows;
      cursor = upper;
    }
    return rows;
  }

  put(key: RowKey, value: Uint8Array): void {
    this.#write(key, value, undefined, false);
  }

  putLate(row: LateRow): void {
    // Nothing of it was read since: whatever has changed is in the bytes that are still to be made.
    if (!this.#late.has(row)) this.#write(row.key, undefined, row, false);
  }

  insert(key: RowKey, value: Uint8Array): void {
    this.#write(key, value, undefined, true);
  }

  remove(key: RowKey): void {
    const entry = this.#index.get(key);
    if (entry?.batch === this.#openNumber && entry.inserted) {
      this.#openBytes -= sizeOf(entry);
      this.#open.delete(entry);
      this.#drop(entry);
      return;
    }
    this.#write(key, undefined, undefined, false);
  }

  /** Closes the open batch: its writes, in key order. The next one is open from now on. */
  seal(): { readonly number: number; readonly writes: readonly Write[] } {
    const entries = [...this.#open].sort(byKey);
    const writes = entries.map((entry): Write => [entry.key, this.#valueOf(entry)]);
    assert(this.#late.size === 0, `${this.#late.size} late rows are in no entry`);
    const number = this.#openNumber++;
    this.#sealed.push({ number, entries });
    this.#open = new Set();
    this.#late = new Set();
    this.#openBytes = 0;
    return { number, writes };
  }

  /** A batch is durable: the store shows its rows from now on. */
  release(number: number): void {
    const sealed = this.#sealed.shift();
    assert(sealed?.number === number, `batch ${number} was not sealed, or is not the next one`);
    const { entries } = sealed;
    for (const entry of entries) {
      if (entry.batch !== number) continue;
      this.#index.delete(entry.key);
      this.#sorted.delete(entry);
    }
    // A new one, as long as little is in it: see protocol/number-map.ts for what a Map keeps.
    if (this.#index.size <= 2 * entries.length) this.#index = new Map(this.#index);
  }

  #write(
    key: RowKey,
    value: Uint8Array | undefined,
    late: LateRow | undefined,
    insert: boolean,
  ): void {
    const batch = this.#openNumber;
    const before = this.#index.get(key);
    if (late !== undefined) this.#late.add(late);
    if (before === undefined) {
      const entry: Entry = { key, place: "heap", value, late, batch, inserted: insert };
      this.#index.set(key, entry);
      this.#sorted.add(entry);
      this.#open.add(entry);
      this.#openBytes += sizeOf(entry);
      return;
    }
    if (before.batch === batch) this.#openBytes -= sizeOf(before);
    else {
      before.batch = batch;
      before.inserted = false;
      this.#open.add(before);
    }
    if (before.late !== undefined && before.late !== late) this.#late.delete(before.late);
    // Over something that stands in here an insert is a put; one of this batch stays an insert.
    before.inserted &&= !insert;
    before.value = value;
    before.late = late;
    this.#openBytes += sizeOf(before);
  }

  #valueOf(entry: Entry): Uint8Array | undefined {
    const { late } = entry;
    if (late === undefined) return entry.value;
    this.#openBytes -= sizeOf(entry);
    this.#late.delete(late);
    entry.late = undefined;
    entry.value = late.encode();
    this.#openBytes += sizeOf(entry);
    return entry.value;
  }

  #drop(entry: Entry): void {
    if (entry.late !== undefined) this.#late.delete(entry.late);
    this.#index.delete(entry.key);
    this.#sorted.delete(entry);
  }

  /** No more of them than it takes to have `wanted` rows: what is below is read no further either. */
  #enough(found: [RowKey, Entry][], wanted: number): [RowKey, Entry][] {
    let rows = 0;
    for (const [at, [, entry]] of found.entries()) {
      if (this.#valueOf(entry) !== undefined && ++rows === wanted) return found.slice(0, at + 1);
    }
    return found;
  }

  #merge(
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
      const [key, entry] = own;
      const value = this.#valueOf(entry);
      if (value !== undefined) into.push([key, value]);
      i++;
    }
  }
}

function byKey(a: Entry, b: Entry): number {
  return a.key < b.key ? -1 : 1;
}

function sizeOf({ key, value, late }: Entry): number {
  const bytes = late === undefined ? (value?.length ?? 0) : LATE_ROW_BYTES;
  return key.length + bytes + WRITE_OVERHEAD_BYTES;
}
