/**
 * Parts of the history of an invocation that has ended, as they stand in its record: what its rows
 * said, shorter.
 *
 * 1. A part reads back as the row, or the rows, that it was made of: `unpack(pack(x))` is x.
 * 2. What most invocations have in common is a number: codes are only added to.
 * 3. Times of a journal count from entry to entry, and the first from the creation.
 */
import type { Header, Target } from "../../protocol/command.ts";
import type { Plain } from "../../protocol/fields.ts";
import { packValue, unpackValue } from "../../protocol/pack.ts";
import { Packer } from "../../protocol/packer.ts";
import { skipValue } from "../../protocol/skip-value.ts";
import { resultFromPlain, resultToPlain } from "../../protocol/plain.ts";
import type { Invocation } from "./invocation.ts";
import type { KeptEntry } from "./kept-history.ts";
import type { InputRow, OutcomeRow } from "./rows.ts";

/** Nothing in it outlives a call. */
const packer = new Packer();

const JSON_TYPE = 0;
/** The path of a request that named its target, and nothing but that. */
const OWN_PATH = 1;

/** Names of headers, by their codes. */
const HEADER_NAMES = [
  "content-type",
  "x-restate-ingress-path",
  "accept",
  "accept-encoding",
  "accept-language",
  "user-agent",
  "traceparent",
  "tracestate",
  "content-encoding",
  "sec-fetch-mode",
] as const;
const CODES: ReadonlyMap<string, number> = new Map(HEADER_NAMES.map((name, code) => [name, code]));

export function packInput({ parameter, headers }: InputRow, target: Target): Uint8Array {
  const own = pathOf(target);
  const fields: Plain[] = [parameter];
  for (const [name, value] of headers) fields.push(CODES.get(name) ?? name, shorter(value, own));
  return packValue(fields);
}

function shorter(value: string, own: string): Plain {
  if (value === "application/json") return JSON_TYPE;
  return value === own ? OWN_PATH : value;
}

export function unpackInput(part: Uint8Array, target: Target): InputRow {
  const [parameter, ...fields] = unpackValue(part) as [Uint8Array, ...(string | number)[]]; // written by packInput
  const headers: Header[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const [name = "", value = ""] = [fields[at], fields[at + 1]];
    headers.push([nameFrom(name), valueFrom(value, target)]);
  }
  return { parameter, headers };
}

function nameFrom(name: string | number): string {
  return typeof name === "string" ? name : (HEADER_NAMES[name] ?? "");
}

function valueFrom(value: string | number, target: Target): string {
  if (typeof value === "string") return value;
  return value === JSON_TYPE ? "application/json" : pathOf(target);
}

function pathOf({ service, key, handler }: Target): string {
  return key === null ? `/${service}/${handler}` : `/${service}/${key}/${handler}`;
}

export function packOutcome({ result, contentType }: OutcomeRow): Uint8Array {
  const type = contentType === "application/json" ? JSON_TYPE : contentType;
  return packValue([resultToPlain(result), type]);
}

export function unpackOutcome(part: Uint8Array): OutcomeRow {
  const [result, type] = unpackValue(part) as [Plain, string | number]; // written by packOutcome
  const contentType = type === JSON_TYPE ? "application/json" : String(type);
  return { result: resultFromPlain(result), contentType };
}

/** An entry as its row has it: kind, what was recorded, when, and what few have (see `JournalEntry`). */
type Entry = [kind: Plain, recorded: Plain, atMs: number, child?: Plain, wholeBytes?: Plain];

/** Of the rows of its entries, all of them. */
export function packJournal(rows: readonly Uint8Array[], { createdAtMs }: Invocation): Uint8Array {
  let beforeMs = createdAtMs;
  const entries = rows.map((row): Plain => {
    const [kind, recorded, atMs, child, wholeBytes] = unpackValue(row) as Entry;
    const afterMs = atMs - beforeMs;
    beforeMs = atMs;
    if (wholeBytes !== undefined) return [kind, recorded, afterMs, child ?? null, wholeBytes];
    return child == null ? [kind, recorded, afterMs] : [kind, recorded, afterMs, child];
  });
  return packValue(entries);
}

/** The same bytes, of entries that are known: nothing is decoded, what was recorded is copied. */
export function packKept(entries: readonly KeptEntry[], { createdAtMs }: Invocation): Uint8Array {
  let beforeMs = createdAtMs;
  packer.reset();
  packer.addArrayHead(entries.length);
  for (const { row, atMs, child } of entries) {
    packer.addArrayHead(child == null ? 3 : 4);
    const behind = packedBytes(atMs) + (child === undefined ? 0 : packedBytes(child));
    packer.addPacked(row.subarray(1, row.length - behind));
    packer.add(atMs - beforeMs);
    if (child != null) packer.add(child);
    beforeMs = atMs;
  }
  return packer.copy(0, packer.length);
}

/** Of a whole number or nothing: see packer.ts. */
function packedBytes(value: number | null): number {
  if (value === null || value < 0x80) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  return value < 2 ** 32 ? 5 : 9;
}

/** How many entries a packed journal has. */
export function countPacked(part: Uint8Array): number {
  return readArrayHead(part).length;
}

/** The rows of its entries, as they were. What was recorded is copied, not taken apart. */
export function unpackJournal(part: Uint8Array, { createdAtMs }: Invocation): Uint8Array[] {
  const { length, end } = readArrayHead(part);
  const rows: Uint8Array[] = [];
  let atMs = createdAtMs;
  let at = end;
  for (let entry = 0; entry < length; entry++) {
    const fields = (part[at] ?? 0) - SHORT_ARRAY;
    const recordedEnd = skipValue(part, at + RECORDED_AT).end;
    const timeEnd = skipValue(part, recordedEnd).end;
    atMs += unpackValue(part.subarray(recordedEnd, timeEnd)) as number; // written by packJournal
    let entryEnd = timeEnd;
    for (let field = ENTRY_FIELDS; field < fields; field++)
      entryEnd = skipValue(part, entryEnd).end;
    const isCommand = part[at + 1] === COMMAND;
    packer.reset();
    packer.addArrayHead(isCommand ? Math.max(fields, ENTRY_FIELDS + 1) : fields);
    packer.addPacked(part.subarray(at + 1, recordedEnd));
    packer.add(atMs);
    if (entryEnd > timeEnd) packer.addPacked(part.subarray(timeEnd, entryEnd));
    else if (isCommand) packer.add(null);
    rows.push(packer.copy(0, packer.length));
    at = entryEnd;
  }
  return rows;
}

/** Kind, what was recorded, when. */
const ENTRY_FIELDS = 3;
const COMMAND = 0;
/** Behind the array and the kind of an entry, each of one byte. */
const RECORDED_AT = 2;
const SHORT_ARRAY = 0x90;
const LONG_ARRAY = 0xdc;

/** Of at most 65,535 items. */
function readArrayHead(part: Uint8Array): { readonly length: number; readonly end: number } {
  const [head = 0, high = 0, low = 0] = part;
  return head === LONG_ARRAY
    ? { length: high * 256 + low, end: 3 }
    : { length: head - SHORT_ARRAY, end: 1 };
}
