/**
 * Reads what happened to an invocation, wherever it stands: in rows of its own, or in its record once
 * that is sealed.
 */
import type { Invocation } from "./invocation.ts";
import { inputKey, journalKey, outcomeKey } from "./keys.ts";
import { decodeInput, decodeOutcome, type InputRow, type OutcomeRow } from "./rows.ts";
import { unpackInput, unpackJournal, unpackOutcome } from "./sealed-history.ts";
import type { ReadTx } from "./tx.ts";

/** Undefined when it is not there. @throws DamagedRowError */
export function readInput(tx: ReadTx, invocation: Invocation): InputRow | undefined {
  const part = invocation.sealed?.input;
  if (part != null) return unpackInput(part, invocation.target);
  const row = tx.get(inputKey(invocation.sequence));
  return row && decodeInput(row);
}

/** Undefined as long as it has not ended. @throws DamagedRowError */
export function readOutcome(tx: ReadTx, invocation: Invocation): OutcomeRow | undefined {
  const part = invocation.sealed?.outcome;
  if (part != null) return unpackOutcome(part);
  const row = tx.get(outcomeKey(invocation.sequence));
  return row && decodeOutcome(row);
}

/** So few are read by their keys: a range costs more than they do, and sorts what is not on the disk yet. */
const ONE_BY_ONE_MAX = 8;

function rowsOneByOne(tx: ReadTx, sequence: number, from: number, to: number): Uint8Array[] {
  const rows: Uint8Array[] = [];
  for (let index = from; index < to; index++) {
    const row = tx.get(journalKey(sequence, index));
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

/** The rows of a journal from one index up to another; those of a sealed one are made again. */
export type JournalReader = (from: number, to: number) => readonly Uint8Array[];

export function journalReader(tx: ReadTx, invocation: Invocation): JournalReader {
  const { sequence, sealed } = invocation;
  if (sealed?.journal != null) {
    const rows = unpackJournal(sealed.journal, invocation);
    return (from, to) => rows.slice(from, to);
  }
  return (from, to) => {
    if (to - from <= ONE_BY_ONE_MAX) return rowsOneByOne(tx, sequence, from, to);
    const range = { from: journalKey(sequence, from), to: journalKey(sequence, to) };
    return tx.range({ ...range, limit: Math.max(0, to - from) }).map(([, row]) => row);
  };
}

/** A journal whose retention is over is removed from its beginning: what is left of it is none. */
export function hasJournal(tx: ReadTx, { sequence, sealed }: Invocation): boolean {
  return sealed?.journal != null || tx.get(journalKey(sequence, 0)) !== undefined;
}
