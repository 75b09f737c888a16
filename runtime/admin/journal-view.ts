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
import { byCompletion, findCommand } from "../core/journal.ts";
import { decodeJournalEntry, type JournalEntry } from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import { iso, loadInvocation } from "./summary.ts";
import type { JournalEntryView, JournalRequest } from "./views.ts";

export interface SizedEntry {
  readonly index: number;
  readonly entry: JournalEntry;
  readonly sizeBytes: number;
}

const READ_BATCH = 128;
/** A piece of a journal ends early when its rows are larger than this. */
const READ_BYTES_MAX = 16 * 1024 * 1024;
/** Commands outside of the piece that are looked for, to name what a completion answers. */
const LOOKUPS_MAX = 200;
const LOOKUP_ROWS_MAX = 256;

/** Those that cannot be read are left out. */
export function readEntries(
  tx: ReadTx,
  invocation: Invocation,
  { from, to }: { readonly from: number; readonly to: number },
): SizedEntry[] {
  const found: SizedEntry[] = [];
  const rows = journalReader(tx, invocation);
  let bytes = 0;
  for (let index = from; index < to && bytes < READ_BYTES_MAX; index += READ_BATCH) {
    rows(index, Math.min(index + READ_BATCH, to)).forEach((row, offset) => {
      bytes += row.length;
      const entry = readOr(() => decodeJournalEntry(row), undefined);
      if (entry) found.push({ index: index + offset, entry, sizeBytes: row.length });
    });
  }
  return found;
}

export function viewJournal(
  tx: ReadTx,
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
function answeredBy(tx: ReadTx, invocation: Invocation, entries: readonly SizedEntry[]): Answered {
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
    if (known || lookups++ >= LOOKUPS_MAX) return known;
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
