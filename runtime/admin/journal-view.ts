/**
 * Journal entries as people read them: names, subjects, sizes and times, never payloads.
 *
 * 1. Only the rows that were asked for are read, and not more bytes than a read may cost.
 */
import type { Command, Delivery } from "../../protocol/command.ts";
import type { Failure } from "../../protocol/failure.ts";
import { readOr } from "../core/damage.ts";
import { journalReader } from "../core/history.ts";
import { invocationIdOf, type Invocation } from "../core/invocation.ts";
import { wholeBytesOf } from "../core/large-values.ts";
import { byCompletion, findCommand } from "../core/journal.ts";
import { decodeJournalEntry, type JournalEntry } from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import type { MeteredTx } from "./metered-tx.ts";
import { iso, loadInvocation } from "./summary.ts";
import type { JournalEntryView, JournalRequest } from "./views.ts";

export interface SizedEntry {
  readonly index: number;
  readonly entry: JournalEntry;
  readonly sizeBytes: number;
}

/** Commands outside of the piece that are looked for, to name what a completion answers. */
const LOOKUPS_MAX = 200;
const LOOKUP_ROWS_MAX = 256;

/** Rows that one piece has at most. It has a single one while rows are large, so that no piece is. */
const PIECE_ROWS_MAX = 128;
const PIECE_BYTES_MAX = 256 * 1024;

/** From one on, as far as bytes allow. Those that cannot be read are left out. */
function readEntries(
  tx: MeteredTx,
  invocation: Invocation,
  { from, to }: { readonly from: number; readonly to: number },
): SizedEntry[] {
  const found: SizedEntry[] = [];
  const rows = journalReader(tx, invocation);
  let count = 1;
  for (let index = from; index < to && !tx.spent;) {
    const piece = rows(index, Math.min(index + count, to));
    found.push(...decoded(piece, index));
    index += count;
    count = nextCount(count, piece);
  }
  return found;
}

/** The last ones, as far as bytes allow, and the place of the first of them. */
export function readLastEntries(
  tx: MeteredTx,
  invocation: Invocation,
  entriesMax: number,
): { readonly entries: readonly SizedEntry[]; readonly from: number } {
  const pieces: SizedEntry[][] = [];
  const rows = journalReader(tx, invocation);
  const end = invocation.commands + invocation.deliveries;
  const least = Math.max(0, end - entriesMax);
  let from = end;
  for (let count = 1; from > least && !tx.spent;) {
    const start = Math.max(least, from - count);
    const piece = rows(start, from);
    pieces.push(decoded(piece, start));
    from = start;
    count = nextCount(count, piece);
  }
  return { entries: pieces.reverse().flat(), from };
}

function nextCount(count: number, piece: readonly Uint8Array[]): number {
  const bytes = piece.reduce((sum, row) => sum + row.length, 0);
  return bytes > PIECE_BYTES_MAX ? 1 : Math.min(count * 2, PIECE_ROWS_MAX);
}

function decoded(rows: readonly Uint8Array[], from: number): SizedEntry[] {
  return rows.flatMap((row, offset) => {
    const entry = readOr(() => decodeJournalEntry(row), undefined);
    if (entry === undefined) return [];
    return [{ index: from + offset, entry, sizeBytes: wholeBytesOf(row) }];
  });
}

export function viewJournal(
  tx: MeteredTx,
  invocation: Invocation,
  { from, limit }: JournalRequest,
): JournalEntryView[] {
  const length = invocation.commands + invocation.deliveries;
  const first = from ?? Math.max(0, length - limit);
  const to = Math.min(first + limit, length);
  const entries = readEntries(tx, invocation, { from: first, to });
  const answered = answeredBy(tx, invocation, entries);
  return entries.map(({ index, entry, sizeBytes }) => {
    const at = { index, sizeBytes, at: iso(entry.atMs) };
    return entry.kind === "command"
      ? { ...at, ...viewCommand(tx, entry) }
      : { ...at, ...viewDelivery(entry.delivery, answered) };
  });
}

/** Finds the command that made a completion id. */
type Answered = (completionId: number) => Command | undefined;

/** It is near, mostly; else it is looked for, as long as that is cheap. */
function answeredBy(
  tx: MeteredTx,
  invocation: Invocation,
  entries: readonly SizedEntry[],
): Answered {
  const near = new Map<number, Command>();
  for (const { entry } of entries) {
    if (entry.kind !== "command") continue;
    const { command } = entry;
    if ("completionId" in command && command.kind !== "withdraw") {
      near.set(command.completionId, command);
    }
  }
  let lookups = 0;
  return (completionId) => {
    const known = near.get(completionId);
    if (known || tx.spent || lookups++ >= LOOKUPS_MAX) return known;
    const look = () => findCommand(tx, invocation, byCompletion(completionId), LOOKUP_ROWS_MAX);
    return readOr(look, undefined)?.command;
  };
}

function viewDelivery(delivery: Delivery, answered: Answered): EntryFields {
  const command = delivery.kind === "completion" ? answered(delivery.completionId) : undefined;
  return {
    entry: "delivery",
    kind: delivery.kind,
    command: command?.index ?? null,
    name: command?.name ?? "",
    about: delivery.kind === "signal" ? delivery.signal : (command?.kind ?? ""),
    invocation: null,
    failure: failureOf(delivery),
  };
}

type EntryFields = Omit<JournalEntryView, "index" | "sizeBytes" | "at">;

function viewCommand(tx: ReadTx, entry: JournalEntry & { readonly kind: "command" }): EntryFields {
  const { command, child } = entry;
  const other = child === null ? undefined : loadInvocation(tx, child);
  const named = "invocationId" in command ? command.invocationId : null;
  return {
    entry: "command",
    kind: command.kind,
    command: command.index,
    name: command.name,
    about: aboutCommand(command, entry.atMs),
    invocation: other ? invocationIdOf(other) : named,
    failure: null,
  };
}

function aboutCommand(command: Command, atMs: number): string {
  switch (command.kind) {
    case "get-state":
    case "get-state-here":
    case "set-state":
    case "clear-state":
      return command.key;
    case "sleep":
      return iso(atMs + command.durationMs);
    case "call":
    case "send": {
      const { service, key, handler } = command.target;
      return key === null ? `${service}/${handler}` : `${service}/${key}/${handler}`;
    }
    case "get-promise":
    case "peek-promise":
    case "complete-promise":
      return command.promise;
    case "await-signal":
    case "send-signal":
      return command.signal;
    case "complete-awakeable":
      return command.awakeableId;
    case "date-here":
      return iso(command.timeMs);
    case "run":
      return command.mode;
    case "patched":
      return command.patch;
    default:
      return "";
  }
}

function failureOf(delivery: Delivery): Failure | null {
  if (delivery.kind === "cancellation") return null;
  const { result } = delivery;
  if ("kind" in result) return result.kind === "failure" ? result.failure : null;
  return result.ok ? null : result.failure;
}
