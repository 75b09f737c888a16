/** The rows of a store in a test, held against the checks of `holdfast verify`. */
import type { Invocation } from "../../runtime/core/invocation.ts";
import { invocationKey, type Sequence } from "../../runtime/core/keys.ts";
import type { ReadTx, RowKey } from "../../runtime/core/tx.ts";
import { printableKey } from "../../runtime/store/row.ts";
import { Rows, type Stored, type VerifySource } from "../../runtime/verify/rows.ts";
import { verifyRows } from "../../runtime/verify/verify.ts";

const ALL = 10_000_000;

/** A row, with what checks have found out about it: that is true as long as its value is the same object. */
interface Seen {
  readonly row: readonly [RowKey, { readonly value: Uint8Array }];
  /** It can be read, and holds what its kind holds. */
  sound: boolean;
  invocation: Invocation | undefined;
}

/**
 * What is left of one check for the next one, where a store is checked again and again (the simulation
 * does, after every other crash): rows that have not changed are not decoded anew. How rows agree with
 * each other is looked at whole every time.
 *
 * Only over stores that hand out the same object as long as a row is the same, as those in memory do.
 */
export class SeenRows {
  readonly #byKey = new Map<RowKey, Seen>();

  at(key: RowKey, value: Uint8Array): Seen {
    const known = this.#byKey.get(key);
    if (known?.row[1].value === value) return known;
    const seen: Seen = { row: [key, { value }], sound: false, invocation: undefined };
    this.#byKey.set(key, seen);
    return seen;
  }
}

/** What does not hold, as sentences; a sound store has none. */
export function brokenReferences(tx: ReadTx, before: SeenRows = new SeenRows()): string[] {
  const broken: string[] = [];
  // All rows are read once: some of these stores sort with every range.
  const all = tx
    .range({ from: "", to: "\xff".repeat(4), limit: ALL })
    .map(([key, value]) => before.at(key, value));
  verifyRows(new RowsSeen(new Snapshot(all), all), ({ row, problem }) =>
    broken.push(`${printableKey(row)}: ${problem}`),
  );
  if (broken.length === 0) for (const it of all) it.sound = true;
  return broken;
}

class RowsSeen extends Rows {
  readonly #snapshot: Snapshot;
  readonly #all: readonly Seen[];

  constructor(snapshot: Snapshot, all: readonly Seen[]) {
    super(snapshot);
    this.#snapshot = snapshot;
    this.#all = all;
  }

  override everything(): Iterable<readonly [RowKey, Stored]> {
    return this.#all.filter((it) => !it.sound).map((it) => it.row);
  }

  override invocation(sequence: Sequence): Invocation | undefined {
    const seen = this.#snapshot.seen(invocationKey(sequence));
    if (seen === undefined) return undefined;
    // The record of what runs lags behind its journal: the same row says more by and by.
    if (seen.invocation === undefined || seen.invocation.status === "running") {
      seen.invocation = super.invocation(sequence);
    }
    return seen.invocation;
  }
}

class Snapshot implements VerifySource {
  readonly #rows: readonly Seen["row"][];
  readonly #byKey = new Map<RowKey, Seen>();

  constructor(all: readonly Seen[]) {
    this.#rows = all.map((it) => it.row);
    for (const it of all) this.#byKey.set(it.row[0], it);
  }

  seen(key: RowKey): Seen | undefined {
    return this.#byKey.get(key);
  }

  look(key: RowKey): Stored | undefined {
    return this.#byKey.get(key)?.row[1];
  }

  scan(prefix: string): readonly Seen["row"][] {
    const from = this.#firstFrom(prefix);
    let to = from;
    while (this.#rows[to]?.[0].startsWith(prefix) === true) to++;
    return this.#rows.slice(from, to);
  }

  #firstFrom(prefix: string): number {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#rows[middle]?.[0] ?? "") < prefix) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
