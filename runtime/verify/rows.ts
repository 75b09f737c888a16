/**
 * What the checks read through: the rows of a store that nobody writes to, damaged ones among them.
 *
 * A row that cannot be read is told once, by the pass over all rows; to every other check it is there,
 * and says nothing. So one damaged row is one finding and not a dozen.
 */
import { catchUp } from "../core/catch-up.ts";
import { entryReader } from "../core/history.ts";
import { invocationIdOf, type Invocation } from "../core/invocation.ts";
import { entriesIn } from "../core/joined-rows.ts";
import { invocationKey, readU32, type Sequence } from "../core/keys.ts";
import { decodeInvocation, decodeJournalEntry, type JournalEntry } from "../core/rows.ts";
import { DamagedRow, DamagedRowError, type ReadTx, type Row, type RowKey } from "../core/tx.ts";

/** Of a row that is there: its value, or why it cannot be read. */
export type Stored = { readonly value: Uint8Array } | { readonly damage: string };

export interface VerifySource {
  /** Undefined when there is no such row. */
  look(key: RowKey): Stored | undefined;
  /** The rows whose keys start with `prefix` ("": all), in order. */
  scan(prefix: string): Iterable<readonly [RowKey, Stored]>;
}

/** Decoded records that are kept: rows of one invocation lie side by side in most ranges. */
const KEPT_MAX = 4_096;
/** A letter and a sequence number. */
const SEQUENCE_PREFIX = 7;

export class Rows {
  readonly #source: VerifySource;
  readonly #tx: ReadTx;
  readonly #kept = new Map<Sequence, Invocation | undefined>();

  constructor(source: VerifySource) {
    this.#source = source;
    this.#tx = readTxOf(source);
  }

  has(key: RowKey): boolean {
    return this.#source.look(key) !== undefined;
  }

  /** Undefined when it is not there or cannot be read. */
  read<T>(key: RowKey, decode: (row: Uint8Array) => T): T | undefined {
    const stored = this.#source.look(key);
    return stored && "value" in stored ? attempt(() => decode(stored.value)) : undefined;
  }

  /** Every row, readable or not. */
  everything(): Iterable<readonly [RowKey, Stored]> {
    return this.#source.scan("");
  }

  *all(prefix: string): Generator<readonly [RowKey, Uint8Array]> {
    for (const [key, stored] of this.#source.scan(prefix)) {
      if ("value" in stored) yield [key, stored.value];
    }
  }

  count(prefix: string): number {
    let count = 0;
    for (const _ of this.#source.scan(prefix)) count++;
    return count;
  }

  /** How many entries the rows of a journal hold. A row that cannot be read holds two where one is missing. */
  countEntries(prefix: string, recorded: number): number {
    let count = 0;
    let unreadable: number | undefined;
    const missing = (next: number): number =>
      unreadable !== undefined && next > unreadable + 1 ? 1 : 0;
    for (const [key, stored] of this.#source.scan(prefix)) {
      const index = readU32(key, prefix.length);
      count += missing(index);
      const readable = "value" in stored;
      unreadable = readable ? undefined : index;
      count += readable && entriesIn(stored.value).length === 2 ? 2 : 1;
    }
    return count + missing(recorded);
  }

  /** Undefined when it is not there; null when it cannot be read. */
  journalEntry(invocation: Invocation, index: number): JournalEntry | null | undefined {
    const row = entryReader(this.#tx, invocation)(index);
    return row && (attempt(() => decodeJournalEntry(row)) ?? null);
  }

  /** One whose journal goes on as it should not stays behind: the number of entries tells of it. */
  #caughtUp(invocation: Invocation | undefined): Invocation | undefined {
    if (invocation?.status !== "running") return invocation;
    try {
      catchUp(this.#tx, invocation);
    } catch (error) {
      if (error instanceof DamagedRowError) return undefined;
    }
    return invocation;
  }

  invocation(sequence: Sequence): Invocation | undefined {
    if (this.#kept.has(sequence)) return this.#kept.get(sequence);
    const found = this.#caughtUp(
      this.read(invocationKey(sequence), (row) => decodeInvocation(sequence, row)),
    );
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(sequence, found);
    return found;
  }
}

/** For what the core reads: a range within what one letter and one sequence begin. */
function readTxOf(source: VerifySource): ReadTx {
  const valueOf = (stored: Stored): Uint8Array =>
    "value" in stored ? stored.value : new DamagedRow(stored.damage);
  return {
    get: (key) => {
      const stored = source.look(key);
      return stored && valueOf(stored);
    },
    range: ({ from, to, limit }) => {
      const rows: Row[] = [];
      for (const [key, stored] of source.scan(from.slice(0, SEQUENCE_PREFIX))) {
        if (key >= to || rows.length === limit) break;
        if (key >= from) rows.push([key, valueOf(stored)]);
      }
      return rows;
    },
  };
}

/** For people: "suspended counter/ann/add inv_...". */
export function named(invocation: Invocation): string {
  const { service, key, handler } = invocation.target;
  const path = key === null ? `${service}/${handler}` : `${service}/${key}/${handler}`;
  return `${invocation.status} ${path} ${invocationIdOf(invocation)}`;
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    // The pass over all rows has told of it.
    return undefined;
  }
}
