import type { Range, ReadTx, Row } from "../../runtime/core/tx.ts";

/** Rows in a plain map, read the slow and obvious way: what others are held against. */
export class PlainRows implements ReadTx {
  readonly rows = new Map<string, Uint8Array>();
  get(key: string): Uint8Array | undefined {
    return this.rows.get(key);
  }
  range({ from, to, limit }: Range): Row[] {
    return [...this.rows]
      .filter(([key]) => key >= from && key < to)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit);
  }
}
