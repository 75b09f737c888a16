/**
 * Large state values in the journal. The value stands in the state as well, and of what has ended well nobody
 * reads values (people see names, sizes and times): so the journal gives it up with the end of its invocation.
 *
 * 1. As long as the invocation is open its journal has the value: a replay is held against it.
 * 2. The row of a very large one is made when its batch is closed: of an invocation that ends before, never.
 * 3. What an attempt remembers for that is small. A value that an earlier attempt set stays in its row.
 * 4. A row without its value says at its end how large it was with it.
 */
import type { Command } from "../../protocol/command.ts";
import { packValue, unpackValue } from "../../protocol/pack.ts";
import { commandToPlain } from "../../protocol/plain.ts";
import type { Invocation } from "./invocation.ts";
import { journalKey } from "./keys.ts";
import { encodeJournalEntry, type JournalEntry } from "./rows.ts";
import type { Step } from "./step.ts";
import type { RowKey } from "./tx.ts";

/** Below it a row costs less than to remember it. */
export const LARGE_VALUE_BYTES = 256;
/** From here on making the row costs more than the removal that it leaves behind when it was never made. */
const MADE_LATE_BYTES = 16 * 1024;
/** More of them are not given up: an attempt remembers so many. */
const REMEMBERED_MAX = 64;

type SetState = Extract<JournalEntry, { readonly kind: "command" }> & {
  readonly command: Extract<Command, { readonly kind: "set-state" }>;
};

interface ShortRow {
  /** Without the value. */
  readonly row: Uint8Array;
  readonly wholeBytes: number;
}

/** By their places in the journal. */
export type ShortRows = ReadonlyMap<number, ShortRow>;

export function isLarge(entry: JournalEntry): entry is SetState {
  if (entry.kind !== "command") return false;
  const { command } = entry;
  return command.kind === "set-state" && command.value.length >= LARGE_VALUE_BYTES;
}

/** Appends it to the journal; gives the bytes of its row. */
export function appendLarge(
  step: Step,
  { sequence }: Invocation,
  index: number,
  entry: SetState,
): number {
  const wholeBytes = writeRow(step, journalKey(sequence, index), entry);
  const attempt = step.memory.attempts.get(sequence);
  if (attempt && (attempt.shortRows?.size ?? 0) < REMEMBERED_MAX) {
    const row = shortRow(entry, wholeBytes);
    attempt.shortRows = new Map(attempt.shortRows).set(index, { row, wholeBytes });
  }
  return wholeBytes;
}

function writeRow({ tx }: Step, key: RowKey, entry: SetState): number {
  if (entry.command.value.length >= MADE_LATE_BYTES) {
    tx.putLate({ key, encode: () => encodeJournalEntry(entry) });
    return rowBytes(entry);
  }
  const row = encodeJournalEntry(entry);
  tx.insert(key, row);
  return row.length;
}

/** How large an entry was as long as it had its value. */
export function wholeBytesOf(row: Uint8Array): number {
  const fields = unpackValue(row) as readonly unknown[]; // every row of a journal is an array
  return Number(fields[WHOLE_BYTES] ?? row.length);
}
const WHOLE_BYTES = 4;

/** What the journal becomes shorter by, without counting what stays of them. */
export function leftOutBytes(rows: ShortRows): number {
  let bytes = 0;
  for (const { wholeBytes } of rows.values()) bytes += wholeBytes;
  return bytes;
}

function shortRow({ command, atMs, child }: SetState, wholeBytes: number): Uint8Array {
  return packValue([0, commandToPlain(withoutValue(command)), atMs, child, wholeBytes]);
}

/** Counted, since making a megabyte to learn its length takes a millisecond. */
function rowBytes(entry: SetState): number {
  const { length } = entry.command.value;
  const head = length < 0x1_0000 ? 3 : 5;
  const empty = encodeJournalEntry({ ...entry, command: withoutValue(entry.command) });
  return empty.length - EMPTY_BINARY_BYTES + head + length;
}
/** In MessagePack. */
const EMPTY_BINARY_BYTES = 2;

const EMPTY = new Uint8Array(0);

function withoutValue(command: SetState["command"]): SetState["command"] {
  return { ...command, value: EMPTY };
}
