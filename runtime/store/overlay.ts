/**
 * What is written and not yet durable, on top of what is. The state machine reads through it.
 *
 * Owns the open batch and the batches in flight, a layer each. The committer owns their order on the disk.
 *
 * 1. A read sees the newest write: of the open batch, of a batch in flight, of the store.
 * 2. A layer leaves when its batch is durable.
 * 3. An insert that is removed within the same batch leaves nothing behind: no write, no trace
 *    (net effect). Over a removal in the open batch an insert is a plain put: something older may
 *    stand below.
 * 4. The bytes of a late row are made when it is read or when its batch is sealed, whichever comes
 *    first: what its owner changes after that belongs to a later batch, and is written there.
 */
import { assert } from "../../protocol/assert.ts";
import type { LateRow, Range, ReadTx, Row, RowKey, Tx } from "../core/tx.ts";
import { WRITE_OVERHEAD_BYTES, type Write } from "./batch.ts";
import type { Placed } from "./late-sorted.ts";
import { Layer, rangeOfLayers } from "./layer.ts";
import { rangeOver, type OwnRows } from "./range-over.ts";

/** What a late row counts for until its bytes are made: about a record, rather too much. */
const LATE_ROW_BYTES = 512;

interface Entry extends Placed {
  value: Uint8Array | undefined;
  /** Makes the value; then it is undefined, as it is in each batch that is sealed. */
  late: LateRow | undefined;
  /** By an insert of its batch, over nothing that this batch removed. */
  inserted: boolean;
}

interface Sealed {
  readonly number: number;
  readonly layer: Layer<Entry>;
}

export class Overlay implements Tx {
  readonly #base: ReadTx;
  readonly #own: OwnRows<Entry> = {
    range: (range) => rangeOfLayers(this.#layers(), range),
    valueOf: (entry) => this.#valueOf(entry),
  };
  #open = new Layer<Entry>();
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
    const entry = this.#open.get(key) ?? this.#newestSealed(key);
    return entry === undefined ? this.#base.get(key) : this.#valueOf(entry);
  }

  range(range: Range): Row[] {
    return rangeOver(this.#base, this.#own, range);
  }

  put(key: RowKey, value: Uint8Array): void {
    this.#write(this.#open.get(key), key, value, undefined, false);
  }

  putLate(row: LateRow): void {
    const before = this.#open.get(row.key);
    // Nothing of it was read since: whatever has changed is in the bytes that are still to be made.
    if (before?.late !== row) this.#write(before, row.key, undefined, row, false);
  }

  insert(key: RowKey, value: Uint8Array): void {
    this.#write(this.#open.get(key), key, value, undefined, true);
  }

  replaceInserted(key: RowKey, value: Uint8Array): boolean {
    const entry = this.#open.get(key);
    if (entry?.inserted !== true) return false;
    this.#openBytes -= sizeOf(entry);
    entry.value = value;
    this.#openBytes += sizeOf(entry);
    return true;
  }

  remove(key: RowKey): void {
    const before = this.#open.get(key);
    if (before?.inserted === true) {
      this.#openBytes -= sizeOf(before);
      this.#open.drop(before);
      return;
    }
    this.#write(before, key, undefined, undefined, false);
  }

  /** Closes the open batch: its writes, in key order. The next one is open from now on. */
  seal(): { readonly number: number; readonly writes: readonly Write[] } {
    const entries = this.#open.all().sort(byKey);
    const writes = entries.map((it): Write => [it.key, this.#valueOf(it), it.inserted]);
    const number = this.#openNumber++;
    this.#sealed.push({ number, layer: this.#open });
    this.#open = new Layer();
    this.#openBytes = 0;
    return { number, writes };
  }

  /** A batch is durable: the store shows its rows from now on. */
  release(number: number): void {
    const sealed = this.#sealed.shift();
    assert(sealed?.number === number, `batch ${number} was not sealed, or is not the next one`);
  }

  #newestSealed(key: RowKey): Entry | undefined {
    for (let at = this.#sealed.length - 1; at >= 0; at--) {
      const entry = this.#sealed[at]?.layer.get(key);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  *#layers(): Iterable<Layer<Entry>> {
    for (const { layer } of this.#sealed) yield layer;
    yield this.#open;
  }

  /** `before` is what the open batch has of the key. */
  #write(
    before: Entry | undefined,
    key: RowKey,
    value: Uint8Array | undefined,
    late: LateRow | undefined,
    inserted: boolean,
  ): void {
    if (before === undefined) {
      const entry: Entry = { key, place: "heap", value, late, inserted };
      this.#open.add(entry);
      this.#openBytes += sizeOf(entry);
      return;
    }
    this.#openBytes -= sizeOf(before);
    // Over something that stands in here an insert is a put; one of this batch stays an insert.
    before.inserted &&= !inserted;
    before.value = value;
    before.late = late;
    this.#openBytes += sizeOf(before);
  }

  #valueOf(entry: Entry): Uint8Array | undefined {
    const { late } = entry;
    if (late === undefined) return entry.value;
    this.#openBytes -= sizeOf(entry);
    entry.late = undefined;
    entry.value = late.encode();
    this.#openBytes += sizeOf(entry);
    return entry.value;
  }
}

function byKey(a: Entry, b: Entry): number {
  return a.key < b.key ? -1 : 1;
}

function sizeOf({ key, value, late }: Entry): number {
  const bytes = late === undefined ? (value?.length ?? 0) : LATE_ROW_BYTES;
  return key.length + bytes + WRITE_OVERHEAD_BYTES;
}
