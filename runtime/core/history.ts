/**
 * Reads what happened to an invocation, wherever it stands: in its record (see seal.ts and fold.ts), or in
 * rows of its own. Of a journal the record may have the beginning, and rows the rest.
 */
import type { Invocation } from "./invocation.ts";
import { inputKey, journalKey, outcomeKey } from "./keys.ts";
import { readEntries, readEntry } from "./joined-rows.ts";
import { decodeInput, decodeOutcome, type InputRow, type OutcomeRow } from "./rows.ts";
import { countPacked, unpackInput, unpackJournal, unpackOutcome } from "./sealed-history.ts";
import type { ReadTx } from "./tx.ts";

/** Undefined when it is not there. @throws DamagedRowError */
export function readInput(tx: ReadTx, invocation: Invocation): InputRow | undefined {
  const part = invocation.inRecord?.input;
  if (part != null) return unpackInput(part, invocation.target);
  const row = tx.get(inputKey(invocation.sequence));
  return row && decodeInput(row);
}

/** Undefined as long as it has not ended. @throws DamagedRowError */
export function readOutcome(tx: ReadTx, invocation: Invocation): OutcomeRow | undefined {
  const part = invocation.inRecord?.outcome;
  if (part != null) return unpackOutcome(part);
  const row = tx.get(outcomeKey(invocation.sequence));
  return row && decodeOutcome(row);
}

/** How many entries of its journal, from the first one on, stand in its record. */
export function entriesInRecord({ inRecord }: Pick<Invocation, "inRecord">): number {
  return inRecord?.journal == null ? 0 : countPacked(inRecord.journal);
}

/** The entries of a journal from one index up to another, as rows; those of a record are made again. */
export type JournalReader = (from: number, to: number) => readonly Uint8Array[];

export function journalReader(tx: ReadTx, invocation: Invocation): JournalReader {
  const { sequence } = invocation;
  const first = firstEntries(invocation);
  if (first.length === 0) return (from, to) => readEntries(tx, sequence, from, to);
  return (from, to) => {
    const inRecord = first.slice(from, to);
    if (to <= first.length) return inRecord;
    return inRecord.concat(readEntries(tx, sequence, Math.max(from, first.length), to));
  };
}

/** One entry, as a row; undefined when it is not there. */
export type EntryReader = (index: number) => Uint8Array | undefined;

export function entryReader(tx: ReadTx, invocation: Invocation): EntryReader {
  const first = firstEntries(invocation);
  return (index) => first[index] ?? readEntry(tx, invocation.sequence, index);
}

function firstEntries(invocation: Invocation): Uint8Array[] {
  const part = invocation.inRecord?.journal;
  return part == null ? [] : unpackJournal(part, invocation);
}

/** A journal whose retention is over is removed from its beginning: what is left of it is none. */
export function hasJournal(tx: ReadTx, { sequence, inRecord }: Invocation): boolean {
  return inRecord?.journal != null || tx.get(journalKey(sequence, 0)) !== undefined;
}
