import { DamagedRow, type Range, type Row } from "../../runtime/core/tx.ts";
import { printableKey } from "../../runtime/store/row.ts";
import { SortedTx } from "./sorted-tx.ts";

/** Rows one of which is damaged until it is written again or removed, as a store shows it. */
export class DamagedTx extends SortedTx {
  readonly #damaged: Set<string> = new Set<string>();

  constructor(rows: ReadonlyMap<string, Uint8Array>, damaged: readonly string[]) {
    super();
    for (const [key, value] of rows) super.put(key, value);
    for (const key of damaged) this.damage(key);
  }

  damage(key: string): void {
    if (!this.rows.has(key)) throw new Error(`no row ${printableKey(key)} to damage`);
    this.#damaged.add(key);
  }

  override get(key: string): Uint8Array | undefined {
    return this.#damaged.has(key) ? damagedRow(key) : super.get(key);
  }
  override range(range: Range): Row[] {
    return super
      .range(range)
      .map(([key, value]) => [key, this.#damaged.has(key) ? damagedRow(key) : value]);
  }
  override put(key: string, value: Uint8Array): void {
    if (value instanceof DamagedRow) throw new Error(`${value.problem}, and is written back`);
    this.#damaged.delete(key);
    super.put(key, value);
  }
  override insert(key: string, value: Uint8Array): void {
    if (value instanceof DamagedRow) throw new Error(`${value.problem}, and is written back`);
    super.insert(key, value);
  }
  override remove(key: string): void {
    this.#damaged.delete(key);
    super.remove(key);
  }
}

function damagedRow(key: string): DamagedRow {
  return new DamagedRow(`the row ${printableKey(key)} is damaged: a test has damaged it`);
}
