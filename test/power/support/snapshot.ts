/** All rows of a store, read once: an image is looked at from many sides. */
import {
  DamagedRow,
  DamagedRowError,
  type Range,
  type ReadTx,
  type Row,
  type RowKey,
} from "../../../runtime/core/tx.ts";
import type { Store } from "../../../runtime/store/store.ts";

const ALL = 10_000_000;

export class Snapshot implements ReadTx {
  readonly batchNumber: number;
  /** In the order of their keys. */
  readonly rows: readonly Row[];
  readonly #byKey: ReadonlyMap<RowKey, Uint8Array>;

  /** @throws DamagedRowError when a row is not what was written */
  constructor(store: Store) {
    this.batchNumber = store.batchNumber;
    this.rows = store.range({ from: "\x01", to: "\xff", limit: ALL });
    for (const [, value] of this.rows) {
      if (value instanceof DamagedRow) throw new DamagedRowError(value.problem);
    }
    this.#byKey = new Map(this.rows);
  }

  get(key: RowKey): Uint8Array | undefined {
    return this.#byKey.get(key);
  }

  range({ from, to, limit }: Range): Row[] {
    const start = this.#firstFrom(from);
    const end = Math.min(start + limit, this.#firstFrom(to));
    return this.rows.slice(start, end);
  }

  #firstFrom(key: RowKey): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const [found = ""] = this.rows[middle] ?? [];
      if (found < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
