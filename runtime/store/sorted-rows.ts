/** The one importer of sorted-btree: a map in key order. */
import * as module from "sorted-btree";
import type { Range, RowKey } from "../core/tx.ts";

// A CommonJS module whose class is its `default`; Node and TypeScript see it at different depths.
const BTree = module.default.default ?? module.default;

const compare = (a: RowKey, b: RowKey): number => (a < b ? -1 : a > b ? 1 : 0);

export class SortedRows<V> {
  readonly #tree = new BTree<RowKey, V>(undefined, compare);

  get size(): number {
    return this.#tree.size;
  }

  get(key: RowKey): V | undefined {
    return this.#tree.get(key);
  }

  set(key: RowKey, value: V): void {
    this.#tree.set(key, value);
  }

  delete(key: RowKey): void {
    this.#tree.delete(key);
  }

  /** The first rows of a range, in key order. */
  range({ from, to, limit }: Range): [RowKey, V][] {
    const found: [RowKey, V][] = [];
    if (limit <= 0) return found;
    this.#tree.forRange(from, to, false, (key, value) => {
      found.push([key, value]);
      return found.length >= limit ? { break: true } : undefined;
    });
    return found;
  }

  entries(): [RowKey, V][] {
    return [...this.#tree.entries()];
  }
}
