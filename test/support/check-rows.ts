/** The rows of a store in a test, held against the checks of `holdfast verify`. */
import { printableKey } from "../../runtime/store/row.ts";
import type { ReadTx } from "../../runtime/core/tx.ts";
import type { VerifySource } from "../../runtime/verify/rows.ts";
import { verifyRows } from "../../runtime/verify/verify.ts";

const ALL = 10_000_000;

/** What does not hold, as sentences; a sound store has none. */
export function brokenReferences(tx: ReadTx): string[] {
  const broken: string[] = [];
  verifyRows(snapshotOf(tx), ({ row, problem }) => broken.push(`${printableKey(row)}: ${problem}`));
  return broken;
}

/** All rows are read once: some of these stores sort with every range. */
function snapshotOf(tx: ReadTx): VerifySource {
  const rows = tx.range({ from: "", to: "\xff".repeat(4), limit: ALL });
  const byKey = new Map(rows);
  const firstFrom = (prefix: string): number => {
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((rows[middle]?.[0] ?? "") < prefix) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    look: (key) => {
      const value = byKey.get(key);
      return value && { value };
    },
    *scan(prefix) {
      for (let at = firstFrom(prefix); at < rows.length; at++) {
        const [key = "", value = new Uint8Array()] = rows[at] ?? [];
        if (!key.startsWith(prefix)) return;
        yield [key, { value }];
      }
    },
  };
}
