/**
 * Folds an invocation that is suspended: its input and its journal, as far as they are small, go into its
 * record, and their rows go. Whoever wakes it reads one row then, and its end removes none; for many that
 * wake at one instant that is a third of the work (docs/performance.md).
 *
 * 1. Of a journal the record has the first entries, all that there were at some suspension, and rows the
 *    others. A part is never in both (seal.ts); `history.ts` reads it from where it is.
 * 2. What an attempt does not know (kept-history.ts) is not read for this: it stays where it is.
 * 3. It is small, since the record is written again with most of what the next attempt does.
 * 4. Runs that are outstanding are told from the rows of their commands: then nothing is folded.
 */
import { assert } from "../../protocol/assert.ts";
import { entriesInRecord } from "./history.ts";
import type { Invocation } from "./invocation.ts";
import { inputKey } from "./keys.ts";
import { ownMemory, type KeptHistory } from "./kept-history.ts";
import { removeEntryRows } from "./seal.ts";
import { packInput, packKept } from "./sealed-history.ts";
import type { InputRow } from "./rows.ts";
import type { Step } from "./step.ts";

/** Of both together. */
export const FOLDED_BYTES_MAX = 512;

/** What an entry becomes shorter by, at most: a journal that has no chance is not packed. */
const SHORTER_BYTES = 16;

/** `kept`: what its last attempt knew of it. */
export function fold(step: Step, invocation: Invocation, kept: KeptHistory): void {
  if (invocation.runs > 0) return;
  const input = foldInput(step, invocation, kept);
  const journal = foldJournal(step, invocation, kept, FOLDED_BYTES_MAX - (input?.length ?? 0));
  if (input === null && journal === null) return;
  invocation.inRecord = { input, outcome: null, journal };
}

/** What was read is kept as long as its invocation has an attempt. */
export function keepFolded(invocation: Invocation): void {
  const { inRecord } = invocation;
  if (inRecord === undefined) return;
  const { input, journal } = inRecord;
  invocation.inRecord = {
    input: input && ownMemory(input),
    outcome: null,
    journal: journal && ownMemory(journal),
  };
}

function foldInput(
  { tx }: Step,
  { sequence, target, inRecord }: Invocation,
  { input }: KeptHistory,
): Uint8Array | null {
  if (inRecord?.input != null) return inRecord.input;
  // The beginning that was folded before stays, should all of the journal find no room beside the input.
  const bytesMax = FOLDED_BYTES_MAX - (inRecord?.journal?.length ?? 0);
  if (input === undefined || bytesOf(input) > 2 * bytesMax) return null;
  const packed = packInput(input, target);
  if (packed.length > bytesMax) return null;
  tx.remove(inputKey(sequence));
  return packed;
}

/** What of it may become shorter are its headers: by half is as much as is tried for. */
function bytesOf({ parameter, headers }: InputRow): number {
  return headers.reduce(
    (bytes, [name, value]) => bytes + name.length + value.length,
    parameter.length,
  );
}

/** All of it as it is now; or what was folded before. */
function foldJournal(
  step: Step,
  invocation: Invocation,
  { entries }: KeptHistory,
  bytesMax: number,
): Uint8Array | null {
  const before = invocation.inRecord?.journal ?? null;
  if (entries === undefined || entries.length === 0) return before;
  const count = invocation.commands + invocation.deliveries;
  if (invocation.journalBytes > bytesMax + SHORTER_BYTES * count) return before;
  assert(entries.length === count, "an attempt keeps all of a journal, or none");
  const packed = packKept(entries, invocation);
  if (packed.length > bytesMax) return before;
  removeEntryRows(step, invocation, { from: entriesInRecord(invocation), to: count }, entries);
  return packed;
}
