/** Appends to and reads an invocation's journal. Nothing else writes journal rows. */
import { assert, broken } from "../../protocol/assert.ts";
import type { Command, Delivery } from "../../protocol/command.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import { journalReader, type JournalReader } from "./history.ts";
import { JOINED_BYTES_MAX, joinRows } from "./joined-rows.ts";
import { journalKey, type Sequence } from "./keys.ts";
import { appendLarge, isLarge } from "./large-values.ts";
import { decodeJournalEntry, encodeJournalEntry, type JournalEntry } from "./rows.ts";
import { changed, lag, type Step } from "./step.ts";
import type { ReadTx } from "./tx.ts";

const READ_BATCH = 512;
const SEQUENCE_MAX = 2 ** 48 - 1;

export function appendCommand(
  step: Step,
  invocation: Invocation,
  command: Command,
  child: Sequence | null,
): void {
  if (command.index !== invocation.commands) {
    broken(
      `command ${command.index} of ${invocationIdOf(invocation)} follows ${invocation.commands - 1}`,
    );
  }
  append(step, invocation, { kind: "command", command, atMs: step.nowMs, child });
  invocation.commands++;
  // Whoever lets it go says what more there is to write than this entry.
  if (command.kind === "run") lag(step, invocation);
  else changed(step, invocation);
  if (command.kind === "await-signal") invocation.signalsKept--;
}

export function appendDelivery(step: Step, invocation: Invocation, delivery: Delivery): void {
  append(step, invocation, { kind: "delivery", delivery, atMs: step.nowMs });
  invocation.deliveries++;
  if (delivery.kind === "signal") invocation.signalsKept++;
  changed(step, invocation);
}

/** Of a run that has no row. */
export function appendResult(step: Step, invocation: Invocation, result: Delivery): void {
  const index = invocation.commands + invocation.deliveries;
  const entry = { kind: "delivery", delivery: result, atMs: step.nowMs } as const;
  const row = append(step, invocation, entry);
  const kept = step.memory.attempts.get(invocation.sequence)?.kept;
  if (kept && row && row.length <= JOINED_BYTES_MAX) kept.result = { index, row };
  invocation.deliveries++;
  lag(step, invocation);
}

/** Gives the row that it has, or would have by itself; none of a large one. */
function append(step: Step, invocation: Invocation, entry: JournalEntry): Uint8Array | undefined {
  const index = invocation.commands + invocation.deliveries;
  const kept = step.memory.attempts.get(invocation.sequence)?.kept;
  if (isLarge(entry)) {
    invocation.journalBytes += appendLarge(step, invocation, index, entry);
    kept?.giveUp();
    return undefined;
  }
  const row = encodeJournalEntry(entry);
  const { atMs } = entry;
  const child = entry.kind === "command" ? entry.child : undefined;
  const isRun = entry.kind === "command" && entry.command.kind === "run";
  const joined = isRun && joinResult(step, invocation, index, row);
  if (!joined) step.tx.insert(journalKey(invocation.sequence, index), row);
  kept?.add({ row, atMs, child, joined });
  invocation.journalBytes += row.length;
  return row;
}

/** Puts a run into the row of the result before it, if both are of one batch: see joined-rows.ts. */
function joinResult(step: Step, invocation: Invocation, index: number, row: Uint8Array): boolean {
  const { sequence, told } = invocation;
  const result = step.memory.attempts.get(sequence)?.kept.result;
  if (result === undefined || result.index !== index - 1 || told >= index) return false;
  return step.tx.replaceInserted(journalKey(sequence, index - 1), joinRows(result.row, row));
}

/** Bytes of the row that this command would have; a child's number may take less. */
export function journalRowBytesMax(step: Step, command: Command): number {
  const child = command.kind === "call" || command.kind === "send" ? SEQUENCE_MAX : null;
  return encodeJournalEntry({ kind: "command", command, atMs: step.nowMs, child }).length;
}

/** All entries, in order. @throws DamagedRowError at one that is not what was written */
export function* readJournal(tx: ReadTx, invocation: Invocation): Generator<JournalEntry> {
  for (const row of journalRows(tx, invocation)) yield decodeJournalEntry(row);
}

/** Their rows, read in bounded pieces. */
export function* journalRows(tx: ReadTx, invocation: Invocation): Generator<Uint8Array> {
  const count = invocation.commands + invocation.deliveries;
  const entries = journalReader(tx, invocation);
  let read = 0;
  while (read < count) {
    const rows = entries(read, Math.min(read + READ_BATCH, count));
    assert(
      rows.length > 0,
      `${invocationIdOf(invocation)} lacks journal entry ${read} of ${count}`,
    );
    yield* rows;
    read += rows.length;
  }
}

/** A command and where in the journal it stands. */
export interface FoundCommand {
  readonly entry: number;
  readonly command: Command;
  readonly atMs: number;
  readonly child: Sequence | null;
}

/** Below 0: it comes before the one that is looked for. Undefined: it says nothing about that. */
export type CommandOrder = (command: Command) => number | undefined;

/** Commands come in the order of their numbers, and of the completion ids that they make. */
export function byIndex(index: number): CommandOrder {
  return (command) => command.index - index;
}

export function byCompletion(completionId: number): CommandOrder {
  return (command) =>
    "completionId" in command && command.kind !== "withdraw"
      ? command.completionId - completionId
      : undefined;
}

/**
 * Finds a command by halving, so that a long journal is not read. Entries that say nothing about the
 * order are passed over one by one; after `rowsMax` rows in all the search gives up.
 */
export function findCommand(
  tx: ReadTx,
  invocation: Invocation,
  order: CommandOrder,
  rowsMax: number = Number.POSITIVE_INFINITY,
): FoundCommand | undefined {
  const budget = { rows: rowsMax };
  const entries = journalReader(tx, invocation);
  let low = 0;
  let high = invocation.commands + invocation.deliveries;
  while (low < high && budget.rows > 0) {
    const middle = Math.floor((low + high) / 2);
    const found = firstOrdered(entries, { from: middle, to: high }, order, budget);
    if (found === undefined) high = middle;
    else if (found.order === 0) return found.command;
    else if (found.order > 0) high = middle;
    else low = found.command.entry + 1;
  }
  return undefined;
}

const LOOK_BATCH = 16;

function firstOrdered(
  entries: JournalReader,
  { from, to }: { readonly from: number; readonly to: number },
  order: CommandOrder,
  budget: { rows: number },
): { readonly command: FoundCommand; readonly order: number } | undefined {
  for (let entry = from; entry < to && budget.rows > 0;) {
    // One first: mostly the entry in the middle is a command.
    const limit = Math.min(entry === from ? 1 : LOOK_BATCH, to - entry);
    const rows = entries(entry, entry + limit);
    assert(rows.length === limit, `journal entry ${entry} and the next ${limit} are not all there`);
    budget.rows -= rows.length;
    for (const row of rows) {
      const it = decodeJournalEntry(row);
      const place = it.kind === "command" ? order(it.command) : undefined;
      if (it.kind === "command" && place !== undefined) {
        return { command: { ...it, entry }, order: place };
      }
      entry++;
    }
  }
  return undefined;
}

/** The child that the call or send at command `index` created; undefined when it is no such command. */
export function findChild(
  tx: ReadTx,
  invocation: Invocation,
  index: number,
): { readonly child: Sequence | null } | undefined {
  const found = findCommand(tx, invocation, byIndex(index));
  if (found === undefined) return undefined;
  const { kind } = found.command;
  return kind === "call" || kind === "send" ? { child: found.child } : undefined;
}
