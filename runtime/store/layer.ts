/**
 * Rows that lie on top of others until those have them: the open batch, a batch in flight, a group on its
 * way to the rows. A layer goes as a whole, so that nothing in it is ever taken out one by one but what is
 * undone.
 */
import type { Range, RowKey } from "../core/tx.ts";
import { LateSorted, type Placed } from "./late-sorted.ts";

export class Layer<V extends Placed> {
  readonly #index = new Map<RowKey, V>();
  readonly #sorted = new LateSorted<V>();

  get size(): number {
    return this.#index.size;
  }

  get(key: RowKey): V | undefined {
    return this.#index.get(key);
  }

  /** Nothing with its key is in here. */
  add(it: V): void {
    this.#index.set(it.key, it);
    this.#sorted.add(it);
  }

  drop(it: V): void {
    this.#index.delete(it.key);
    this.#sorted.delete(it);
  }

  /** In the order in which their keys came. */
  all(): V[] {
    return [...this.#index.values()];
  }

  /** The first ones of a range, in key order. */
  range(range: Range): [RowKey, V][] {
    return this.#sorted.range(range);
  }
}

/** Of several layers, the oldest first: what a newer one has hides what is in an older one. */
export function rangeOfLayers<V extends Placed>(
  layers: Iterable<Layer<V>>,
  range: Range,
): [RowKey, V][] {
  let found: [RowKey, V][] = [];
  for (const layer of layers) found = laidOver(found, layer.range(range), range.limit);
  return found;
}

function laidOver<V>(older: [RowKey, V][], newer: [RowKey, V][], limit: number): [RowKey, V][] {
  if (older.length === 0) return newer;
  if (newer.length === 0) return older;
  const merged: [RowKey, V][] = [];
  let i = 0;
  let j = 0;
  while (merged.length < limit) {
    const old = older[i];
    const top = newer[j];
    if (old === undefined && top === undefined) break;
    if (top === undefined || (old !== undefined && old[0] < top[0])) {
      if (old !== undefined) merged.push(old);
      i++;
      continue;
    }
    if (old !== undefined && old[0] === top[0]) i++;
    merged.push(top);
    j++;
  }
  return merged;
}
