/**
 * The record of an invocation that runs may lag behind its journal. Of a step that only gets on (a run is
 * asked for, its result is taken) the journal says all that changes in the record, so the record is not
 * written; whoever reads one from its row counts what has come since.
 *
 * 1. Only what runs lags, and by LAG_MAX entries at most: that bounds what a read costs.
 * 2. Behind a record that lags come commands of runs that got their go and no row, and results of such
 *    runs. All else writes the record in its own step.
 * 3. An attempt that is live has the whole record in memory.
 * 4. The time that it waited for the disk is not in the journal: a crash takes back what has come since.
 */
import { broken } from "../../protocol/assert.ts";
import { invocationIdOf, type Invocation } from "./invocation.ts";
import { entriesIn } from "./joined-rows.ts";
import { journalKey, journalPrefix, prefixEnd, type Sequence } from "./keys.ts";
import { addPlain, findPlain, removePlain } from "./plain-runs.ts";
import { decodeInvocation, decodeJournalEntry } from "./rows.ts";
import type { ReadTx } from "./tx.ts";

export const LAG_MAX = 64;

/** What the row of a record says, and its journal since. @throws DamagedRowError */
export function readRecord(tx: ReadTx, sequence: Sequence, row: Uint8Array): Invocation {
  const invocation = decodeInvocation(sequence, row);
  if (invocation.status === "running") catchUp(tx, invocation);
  return invocation;
}

/** Counts what has come since. @throws DamagedRowError */
export function catchUp(tx: ReadTx, invocation: Invocation): void {
  const { sequence, commands, deliveries } = invocation;
  const range = {
    from: journalKey(sequence, commands + deliveries),
    to: prefixEnd(journalPrefix(sequence)),
    limit: LAG_MAX,
  };
  for (const [, row] of tx.range(range)) {
    for (const entry of entriesIn(row)) take(tx, invocation, entry);
  }
}

function take(tx: ReadTx, invocation: Invocation, row: Uint8Array): void {
  const entry = decodeJournalEntry(row);
  invocation.journalBytes += row.length;
  if (entry.kind === "command" && entry.command.kind === "run") {
    const { index, completionId } = entry.command;
    invocation.commands++;
    invocation.completionIdMax = completionId;
    invocation.runs++;
    addPlain(invocation, index);
    return;
  }
  if (entry.kind === "delivery" && entry.delivery.kind === "completion") {
    const command = findPlain(tx, invocation, entry.delivery.completionId);
    if (command !== undefined) {
      invocation.deliveries++;
      invocation.runs--;
      removePlain(invocation, command);
      return;
    }
  }
  broken(`the journal of ${invocationIdOf(invocation)} has what its record should know of`);
}
