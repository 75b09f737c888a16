/**
 * A row of a journal as a replay needs it: what was recorded, still packed, and the two fields behind it
 * (`encodeJournalEntry` in rows.ts).
 */
import { broken } from "../../protocol/assert.ts";
import { unpackValue } from "../../protocol/pack.ts";
import type { PackedEntry } from "../../protocol/packed-replay.ts";
import { skipValue } from "../../protocol/skip-value.ts";
import type { Sequence } from "./keys.ts";
import { DamagedRow, DamagedRowError } from "./tx.ts";

export interface StoredEntry extends PackedEntry {
  readonly atMs: number;
  /** Undefined of a delivery. */
  readonly child: Sequence | null | undefined;
}

/** The array of a row, and the kind of its entry, each of one byte. */
const RECORDED_AT = 2;
const COMMAND = 0;
const DELIVERY = 1;
const DOUBLE = 0xcb;
const NIL = 0xc0;

/** @throws DamagedRowError when it is not what was written */
export function openEntry(row: Uint8Array): StoredEntry {
  if (row instanceof DamagedRow) throw new DamagedRowError(row.problem);
  const { end, values } = skipValue(row, RECORDED_AT);
  const bytes = row.subarray(RECORDED_AT, end);
  const atMs = numberAt(row, end);
  switch (row[1]) {
    case COMMAND: {
      const { end: childAt } = skipValue(row, end);
      const child = row[childAt] === NIL ? null : numberAt(row, childAt);
      return { kind: "command", bytes, values, atMs, child };
    }
    case DELIVERY:
      return { kind: "delivery", bytes, values, atMs, child: undefined };
    default:
      return broken(`a journal entry of the kind ${row[1]}`);
  }
}

function numberAt(row: Uint8Array, at: number): number {
  // A time, nearly always.
  if (row[at] === DOUBLE) return doubleAt(row, at + 1);
  const value = unpackValue(row.subarray(at, skipValue(row, at).end));
  return typeof value === "number" ? value : broken("a journal entry whose number is none");
}

function doubleAt({ buffer, byteOffset }: Uint8Array, at: number): number {
  return new DataView(buffer, byteOffset + at, 8).getFloat64(0);
}
