/**
 * What is durable in the commit log and not in the rows yet, on top of the rows.
 *
 * Owns the two groups of batches: the one that gathers and the one that is on its way to the rows. The
 * logged store owns when a group goes, and the log. An `Overlay` does the same for what is not durable, with
 * late rows and batches of its own; here a write is final, and a group goes as a whole.
 *
 * 1. A read sees the newest write: of the group that gathers, of the one on its way, of the rows.
 * 2. A row that is new in the group that gathers, and is removed there, leaves nothing behind (net
 *    effect): the rows never hear of it. Where an older write of its key stands in that group, the removal
 *    stays.
 * 3. A group lets go of its rows once `arrived` is called, all at once.
 */
import { assert } from "../../protocol/assert.ts";
import type { Range, ReadTx, Row, RowKey } from "../core/tx.ts";
import type { StoredWrite } from "./batch.ts";
import type { Placed } from "./late-sorted.ts";
import { Layer, rangeOfLayers } from "./layer.ts";
import { rangeOver, type OwnRows } from "./range-over.ts";

interface Held extends Placed {
  write: StoredWrite;
  /** Nothing stands under its key in the rows or in the group before. */
  added: boolean;
}

export class HeldRows implements ReadTx {
  readonly #rows: ReadTx;
  readonly #own: OwnRows<Held> = {
    range: (range) => rangeOfLayers([this.#leaving, this.#gathering], range),
    valueOf: ({ write }) => write.value,
  };
  #leaving = new Layer<Held>();
  #gathering = new Layer<Held>();

  constructor(rows: ReadTx) {
    this.#rows = rows;
  }

  get(key: RowKey): Uint8Array | undefined {
    const held = this.#gathering.get(key) ?? this.#leaving.get(key);
    return held === undefined ? this.#rows.get(key) : held.write.value;
  }

  range(range: Range): Row[] {
    return rangeOver(this.#rows, this.#own, range);
  }

  hold(writes: readonly StoredWrite[]): void {
    for (const write of writes) this.#hold(write);
  }

  /** What gathers is to go to the rows now: the newest write of each key. */
  leave(): readonly StoredWrite[] {
    assert(this.#leaving.size === 0, "one group at a time is on its way to the rows");
    this.#leaving = this.#gathering;
    this.#gathering = new Layer();
    return this.#leaving.all().map(({ write }) => write);
  }

  /** The rows have what left. */
  arrived(): void {
    this.#leaving = new Layer();
  }

  #hold(write: StoredWrite): void {
    const { key, added } = write;
    const before = this.#gathering.get(key);
    if (before === undefined) this.#gathering.add({ key, place: "heap", write, added });
    else if (before.added && write.removes) this.#gathering.drop(before);
    else before.write = write;
  }
}
