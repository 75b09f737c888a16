/**
 * Seals an invocation that ends: its outcome, and as much of its input and journal as is small, go
 * into its record, and their rows go. What came and went within one batch was never written then.
 *
 * 1. A part is in the record or in rows of its own, never in both; `history.ts` reads it from where
 *    it is.
 * 2. A record stays small enough to lie within a page of the store, whatever the journal or the
 *    payloads: so the end of an invocation costs no more for a long journal, nor a list for large
 *    payloads.
 * 3. A damaged row stays where it is: whoever asks for it is told.
 * 4. Large state values leave the journal, which then says how large its entry was (large-values.ts).
 */
import { assert, broken } from "../../protocol/assert.ts";
import { damageOf } from "./damage.ts";
import { entriesInRecord, entryReader } from "./history.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import { inputKey, journalKey, outcomeKey } from "./keys.ts";
import { KEPT_ENTRIES_MAX, type KeptHistory } from "./kept-history.ts";
import { leftOutBytes, type ShortRows } from "./large-values.ts";
import { decodeInput, encodeOutcome, type InputRow, type OutcomeRow } from "./rows.ts";
import { packInput, packJournal, packKept, packOutcome } from "./sealed-history.ts";
import type { Step } from "./step.ts";
import type { ReadTx } from "./tx.ts";

/** Of all parts together. LMDB keeps two records a page as long as each takes less than 2,000 bytes. */
export const SEALED_BYTES_MAX = 1_600;
/** Each entry may have to be read from its row: a bound on what the end of an invocation costs. */
const ENTRIES_MAX = KEPT_ENTRIES_MAX;
const NONE: ShortRows = new Map();
const NOTHING_FOLDED = { input: null, journal: null } as const;

/** What an attempt knows of the history of its invocation. */
export interface FromAttempt {
  readonly kept: KeptHistory | undefined;
  /** Entries of its journal that go in without their values. */
  readonly shortRows: ShortRows | undefined;
}

export function seal(
  step: Step,
  invocation: Invocation,
  ended: OutcomeRow,
  { kept, shortRows = NONE }: FromAttempt,
): void {
  const folded = invocation.inRecord ?? NOTHING_FOLDED;
  const foldedBytes = (folded.input?.length ?? 0) + (folded.journal?.length ?? 0);
  const room = { bytes: SEALED_BYTES_MAX - foldedBytes };
  const outcome = sealOutcome(step, invocation, ended, room);
  const input = folded.input ?? sealInput(step, invocation, room, kept?.input);
  // All of it takes the place of the beginning, or the beginning keeps it.
  room.bytes += folded.journal?.length ?? 0;
  const all = sealJournal(step, invocation, room, { entries: kept?.entries, shortRows });
  invocation.inRecord = { input, outcome, journal: all ?? folded.journal };
}

interface Room {
  bytes: number;
}

function fitting(part: Uint8Array, room: Room): Uint8Array | null {
  if (part.length > room.bytes) return null;
  room.bytes -= part.length;
  return part;
}

function sealOutcome(
  { tx }: Step,
  { sequence }: Invocation,
  ended: OutcomeRow,
  room: Room,
): Uint8Array | null {
  const { result } = ended;
  const part = result.ok && result.value.length > room.bytes ? null : packOutcome(ended);
  const sealed = part && fitting(part, room);
  if (sealed === null) tx.insert(outcomeKey(sequence), encodeOutcome(ended));
  return sealed;
}

function sealInput(
  { tx }: Step,
  invocation: Invocation,
  room: Room,
  kept: InputRow | undefined,
): Uint8Array | null {
  const key = inputKey(invocation.sequence);
  const input = kept ?? smallInput(tx.get(key), invocation, room);
  if (input === null) return null;
  const sealed = fitting(packInput(input, invocation.target), room);
  if (sealed !== null) tx.remove(key);
  return sealed;
}

/** Null when it has no place in the record. */
function smallInput(
  row: Uint8Array | undefined,
  invocation: Invocation,
  room: Room,
): InputRow | null {
  if (row === undefined) broken(`${invocationIdOf(invocation)} has no input`);
  // Headers get shorter; by half is as much as is tried for.
  const fits = row.length <= 2 * room.bytes && damageOf(row) === undefined;
  return fits ? decodeInput(row) : null;
}

function sealJournal(
  step: Step,
  invocation: Invocation,
  room: Room,
  { entries: kept, shortRows }: Pick<KeptHistory, "entries"> & { readonly shortRows: ShortRows },
): Uint8Array | null {
  const journalBytes = invocation.journalBytes - leftOutBytes(shortRows);
  const entries = invocation.commands + invocation.deliveries;
  if (entries === 0 || entries > ENTRIES_MAX || journalBytes > 2 * room.bytes) return null;
  assert(
    kept === undefined || kept.length === entries,
    "an attempt keeps all of a journal, or none",
  );
  const packed =
    kept === undefined ? packFromRows(step.tx, invocation, shortRows) : packKept(kept, invocation);
  const sealed = packed && fitting(packed, room);
  if (sealed === null) return null;
  removeEntryRows(step, invocation, { from: entriesInRecord(invocation), to: entries }, kept);
  return sealed;
}

/** Those of the entries that have rows, which go into the record. */
export function removeEntryRows(
  { tx }: Step,
  { sequence }: Invocation,
  { from, to }: { readonly from: number; readonly to: number },
  kept: KeptHistory["entries"],
): void {
  for (let index = from; index < to; index++) {
    if (!kept?.[index]?.joined) tx.remove(journalKey(sequence, index));
  }
}

/** Null when one of them is damaged. */
function packFromRows(tx: ReadTx, invocation: Invocation, shortRows: ShortRows): Uint8Array | null {
  const entries = invocation.commands + invocation.deliveries;
  const read = entryReader(tx, invocation);
  const rows: Uint8Array[] = [];
  for (let index = 0; index < entries; index++) {
    const row = shortRows.get(index)?.row ?? read(index);
    if (row === undefined) broken(`${invocationIdOf(invocation)} lacks journal entry ${index}`);
    if (damageOf(row) !== undefined) return null;
    rows.push(row);
  }
  return packJournal(rows, invocation);
}
