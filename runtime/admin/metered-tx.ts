/**
 * Rows with a count of their bytes. What one answer reads is bounded in bytes as well as in rows: a
 * journal of large values must not hold up the loop. Whoever reads in a loop looks at `spent`.
 */
import type { Range, ReadTx, Row, RowKey } from "../core/tx.ts";

/** Some tens of milliseconds; one row more may come, or one piece. */
export const READ_BYTES_MAX: number = 16 * 1024 * 1024;

export class MeteredTx implements ReadTx {
  readonly #tx: ReadTx;
  #leftBytes = READ_BYTES_MAX;

  constructor(tx: ReadTx) {
    this.#tx = tx;
  }

  get spent(): boolean {
    return this.#leftBytes <= 0;
  }

  get(key: RowKey): Uint8Array | undefined {
    const row = this.#tx.get(key);
    this.#leftBytes -= row?.length ?? 0;
    return row;
  }

  range(range: Range): Row[] {
    const rows = this.#tx.range(range);
    for (const [, row] of rows) this.#leftBytes -= row.length;
    return rows;
  }
}
