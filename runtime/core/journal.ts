/** Appends to and reads an invocation's journal. Nothing else writes journal rows. */
import { assert } from "../../protocol/assert.ts";
import type { Command, Delivery } from "../../protocol/command.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import { journalKey, journalPrefix, prefixEnd, type Sequence } from "./keys.ts";
import { decodeJournalEntry, encodeJournalEntry, type JournalEntry } from "./rows.ts";
import { changed, type Step } from "./step.ts";
import type { ReadTx } from "./tx.ts";

const READ_BATCH = 512;
const SEQUENCE_MAX = 2 ** 48 - 1;

export function appendCommand(
  step: Step,
  invocation: Invocation,
  command: Command,
  child: Sequence | null,
): void {
  assert(
    command.index === invocation.commands,
    `command ${command.index} of ${invocationIdOf(invocation)} follows ${invocation.commands - 1}`,
  );
  append(step, invocation, { kind: "command", command, atMs: step.nowMs, child });
  invocation.commands++;
  if (command.kind === "await-signal") invocation.signalsKept--;
}

export function appendDelivery(step: Step, invocation: Invocation, delivery: Delivery): void {
  append(step, invocation, { kind: "delivery", delivery, atMs: step.nowMs });
  invocation.deliveries++;
  if (delivery.kind === "signal") invocation.signalsKept++;
}

function append(step: Step, invocation: Invocation, entry: JournalEntry): void {
  const index = invocation.commands + invocation.deliveries;
  const row = encodeJournalEntry(entry);
  step.tx.insert(journalKey(invocation.sequence, index), row);
  invocation.journalBytes += row.length;
  changed(step, invocation);
}

/** Bytes of the row that this command would have; a child's number may take less. */
export function journalRowBytesMax(step: Step, command: Command): number {
  const child = command.kind === "call" || command.kind === "send" ? SEQUENCE_MAX : null;
  return encodeJournalEntry({ kind: "command", command, atMs: step.nowMs, child }).length;
}

/** All entries, in order, read in bounded pieces. */
export function* readJournal(tx: ReadTx, invocation: Invocation): Generator<JournalEntry> {
  const count = invocation.commands + invocation.deliveries;
  const to = prefixEnd(journalPrefix(invocation.sequence));
  let read = 0;
  while (read < count) {
    const from = journalKey(invocation.sequence, read);
    const rows = tx.range({ from, to, limit: READ_BATCH });
    assert(
      rows.length > 0,
      `${invocationIdOf(invocation)} lacks journal entry ${read} of ${count}`,
    );
    for (const [, value] of rows) yield decodeJournalEntry(value);
    read += rows.length;
  }
}

/** The child that the call or send at command `index` created; undefined when it is no such command. */
export function findChild(
  tx: ReadTx,
  invocation: Invocation,
  index: number,
): { readonly child: Sequence | null } | undefined {
  for (const entry of readJournal(tx, invocation)) {
    if (entry.kind === "command" && entry.command.index === index) {
      const { kind } = entry.command;
      return kind === "call" || kind === "send" ? { child: entry.child } : undefined;
    }
  }
  return undefined;
}
