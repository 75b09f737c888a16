/**
 * What a layer holds, in key order for whoever reads a range: sorted only when somebody does.
 *
 * Most rows of an invocation come and go without any range ever being read over them, and their place
 * in a tree is the dearest part of a write (docs/performance.md). So a new one stands in a heap of its
 * kind (the first character of its key) until a range over that kind is read.
 */
import type { Range, RowKey } from "../core/tx.ts";
import { SortedRows } from "./sorted-rows.ts";

/** What is kept: with its key, and where it stands. */
export interface Placed {
  readonly key: RowKey;
  /** Of this file alone. */
  place: "heap" | "tree" | "gone";
}

/** Heaps are cleaned of what has gone when there is more of it than of the rest, but not for a few. */
const GONE_MIN = 1_024;

export class LateSorted<V extends Placed> {
  readonly #tree = new SortedRows<V>();
  /** By kind. What has gone may stand in there still. */
  readonly #heaps = new Map<number, V[]>();
  #inHeaps = 0;
  #gone = 0;

  /** `it` is new, and no other one with its key is in here. */
  add(it: V): void {
    const kind = it.key.charCodeAt(0);
    const heap = this.#heaps.get(kind);
    if (heap) heap.push(it);
    else this.#heaps.set(kind, [it]);
    this.#inHeaps++;
  }

  delete(it: V): void {
    const { place } = it;
    it.place = "gone";
    if (place === "tree") {
      this.#tree.delete(it.key);
      return;
    }
    this.#gone++;
    if (this.#gone > GONE_MIN && this.#gone > this.#inHeaps / 2) this.#clean();
  }

  range(range: Range): [RowKey, V][] {
    for (const [kind, heap] of this.#heaps) {
      if (heap.length > 0 && mayHold(range, kind)) this.#sort(heap);
    }
    return this.#tree.range(range);
  }

  #sort(heap: V[]): void {
    this.#inHeaps -= heap.length;
    for (const it of heap) {
      if (it.place === "gone") {
        this.#gone--;
        continue;
      }
      it.place = "tree";
      this.#tree.set(it.key, it);
    }
    heap.length = 0;
  }

  #clean(): void {
    this.#inHeaps = 0;
    for (const [kind, heap] of this.#heaps) {
      const left = heap.filter((it) => it.place !== "gone");
      this.#heaps.set(kind, left);
      this.#inHeaps += left.length;
    }
    this.#gone = 0;
  }
}

/** Keys of this kind begin with its character, so that they may be in a range that touches it. */
function mayHold({ from, to }: Range, kind: number): boolean {
  const first = String.fromCharCode(kind);
  return first < to && (from === "" || from.charCodeAt(0) <= kind);
}
