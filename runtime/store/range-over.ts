/** A range over rows of one's own that lie on top of others: each own row hides one below. */
import type { Range, ReadTx, Row, RowKey } from "../core/tx.ts";

export interface OwnRows<T> {
  /** The first ones of a range, in key order, removals among them. */
  readonly range: (range: Range) => [RowKey, T][];
  /** Undefined for a removal. */
  readonly valueOf: (own: T) => Uint8Array | undefined;
}

/** Own rows are read in windows, so that the first row of a long range costs no more than a few. */
export function rangeOver<T>(
  below: Pick<ReadTx, "range">,
  own: OwnRows<T>,
  { from, to, limit }: Range,
): Row[] {
  const rows: Row[] = [];
  let cursor = from;
  while (rows.length < limit) {
    const wanted = limit - rows.length;
    const window = Math.max(16, 2 * wanted);
    const found = own.range({ from: cursor, to, limit: window });
    const mine = enough(found, own, wanted);
    const last = mine.length < found.length || found.length === window ? mine.at(-1) : undefined;
    const upper = last === undefined ? to : `${last[0]}\0`;
    // Every own row may hide one below.
    const others = below.range({ from: cursor, to: upper, limit: wanted + mine.length });
    merge(rows, { own, mine, others, limit });
    if (last === undefined) return rows;
    cursor = upper;
  }
  return rows;
}

/** No more of them than it takes to have `wanted` rows: what is below is read no further either. */
function enough<T>(found: [RowKey, T][], own: OwnRows<T>, wanted: number): [RowKey, T][] {
  let rows = 0;
  for (const [at, [, it]] of found.entries()) {
    if (own.valueOf(it) !== undefined && ++rows === wanted) return found.slice(0, at + 1);
  }
  return found;
}

interface Merged<T> {
  readonly own: OwnRows<T>;
  readonly mine: readonly [RowKey, T][];
  readonly others: readonly Row[];
  readonly limit: number;
}

function merge<T>(into: Row[], { own, mine, others, limit }: Merged<T>): void {
  let i = 0;
  let j = 0;
  while (into.length < limit) {
    const top = mine[i];
    const row = others[j];
    if (top === undefined && row === undefined) return;
    if (top === undefined || (row !== undefined && row[0] < top[0])) {
      if (row !== undefined) into.push(row);
      j++;
      continue;
    }
    if (row !== undefined && row[0] === top[0]) j++;
    const [key, it] = top;
    const value = own.valueOf(it);
    if (value !== undefined) into.push([key, value]);
    i++;
  }
}
