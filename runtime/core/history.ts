/**
 * Reads what happened to an invocation, wherever it stands: in rows of its own, or in its record once
 * that is sealed.
 */
import type { Invocation } from "./invocation.ts";
import { inputKey, journalKey, outcomeKey } from "./keys.ts";
import { readEntries } from "./joined-rows.ts";
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

/** The entries of a journal from one index up to another, as rows; those of a sealed one are made again. */
export type JournalReader = (from: number, to: number) => readonly Uint8Array[];

export function journalReader(tx: ReadTx, invocation: Invocation): JournalReader {
  const { sequence, sealed } = invocation;
  if (sealed?.journal != null) {
    const rows = unpackJournal(sealed.journal, invocation);
    return (from, to) => rows.slice(from, to);
  }
  return (from, to) => readEntries(tx, sequence, from, to);
}

/** A journal whose retention is over is removed from its beginning: what is left of it is none. */
export function hasJournal(tx: ReadTx, { sequence, sealed }: Invocation): boolean {
  return sealed?.journal != null || tx.get(journalKey(sequence, 0)) !== undefined;
}
