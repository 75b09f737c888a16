import type { Range, Row } from "../../runtime/core/tx.ts";
import { SortedRows } from "../../runtime/store/sorted-rows.ts";
import { PlainTx } from "./core-harness.ts";

/** Rows in a tree as well, for tests with so many of them that sorting for each read takes too long. */
export class SortedTx extends PlainTx {
  readonly #sorted = new SortedRows<Uint8Array>();
  /** Writes so far. */
  written = 0;

  override range(range: Range): Row[] {
    return this.#sorted.range(range);
  }
  override put(key: string, value: Uint8Array): void {
    this.written++;
    super.put(key, value);
    this.#sorted.set(key, value);
  }
  override insert(key: string, value: Uint8Array): void {
    this.written++;
    super.insert(key, value);
    this.#sorted.set(key, value);
  }
  override remove(key: string): void {
    this.written++;
    super.remove(key);
    this.#sorted.delete(key);
  }
}
