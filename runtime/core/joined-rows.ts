/**
 * The rows of a journal. Mostly an entry has a row of its own. A run that is asked for as soon as the result
 * of the one before it is recorded shares a row with that: so a step writes one row, and not two.
 *
 * 1. Two entries share a row only as long as neither can be on the disk: what was in a batch that is closed
 *    never changes.
 * 2. The row stands at the place of the first of them; at that of the second there is none.
 * 3. No record of an invocation tells of the first one only: whoever counts what came behind a record
 *    (catch-up.ts) begins with a row.
 * 4. A damaged row says nothing of either.
 * 5. A large result has a row of its own: it would be held in memory until something follows it, written once
 *    more then, and read whenever somebody asks for the run.
 */
import { packValue, unpackValue } from "../../protocol/pack.ts";
import { journalKey, journalPrefix, readU32, type Sequence } from "./keys.ts";
import { DamagedRow, type ReadTx, type Row } from "./tx.ts";

/** How an array of two begins; the row of one entry is an array of more. */
const ARRAY_OF_TWO = 0x92;
/** A result that takes more is left alone. */
export const JOINED_BYTES_MAX = 1_024;
/** So few are read by their keys: a range costs more than they do, and sorts what is not on the disk yet. */
const ONE_BY_ONE_MAX = 8;

export function joinRows(first: Uint8Array, second: Uint8Array): Uint8Array {
  return packValue([first, second]);
}

/** The entries of a row, each as if it had a row of its own. One that is damaged stands for itself. */
export function entriesIn(
  row: Uint8Array,
): readonly [Uint8Array] | readonly [Uint8Array, Uint8Array] {
  return row[0] === ARRAY_OF_TWO ? (unpackValue(row) as [Uint8Array, Uint8Array]) : [row]; // by joinRows
}

/** One entry as if it had a row of its own; undefined when it is not there. */
export function readEntry(tx: ReadTx, sequence: Sequence, index: number): Uint8Array | undefined {
  const row = tx.get(journalKey(sequence, index));
  if (row !== undefined) return entriesIn(row)[0];
  const before = index > 0 ? tx.get(journalKey(sequence, index - 1)) : undefined;
  return before && secondIn(before);
}

/** Of one that is damaged nobody knows whether it had a second. */
function secondIn(row: Uint8Array): Uint8Array | undefined {
  return row instanceof DamagedRow ? row : entriesIn(row)[1];
}

/** The entries from one index up to another, as far as they are there. */
export function readEntries(
  tx: ReadTx,
  sequence: Sequence,
  from: number,
  to: number,
): readonly Uint8Array[] {
  const rows = rowsBetween(tx, sequence, from, to);
  const entries: Uint8Array[] = [];
  const indexOf = (at: number): number => indexIn(rows[at]) ?? to;
  if (from < to && indexOf(0) > from) add(entries, readEntry(tx, sequence, from));
  for (const [at, [, row]] of rows.entries()) {
    entries.push(entriesIn(row)[0]);
    if (indexOf(at + 1) > indexOf(at) + 1) add(entries, secondIn(row));
  }
  return entries;
}

function rowsBetween(tx: ReadTx, sequence: Sequence, from: number, to: number): readonly Row[] {
  if (to - from > ONE_BY_ONE_MAX) {
    const range = { from: journalKey(sequence, from), to: journalKey(sequence, to) };
    return tx.range({ ...range, limit: to - from });
  }
  const rows: Row[] = [];
  for (let index = from; index < to; index++) {
    const key = journalKey(sequence, index);
    const row = tx.get(key);
    if (row !== undefined) rows.push([key, row]);
  }
  return rows;
}

const PREFIX_LENGTH = journalPrefix(0).length;

function indexIn(row: Row | undefined): number | undefined {
  return row && readU32(row[0], PREFIX_LENGTH);
}

function add(entries: Uint8Array[], entry: Uint8Array | undefined): void {
  if (entry !== undefined) entries.push(entry);
}
