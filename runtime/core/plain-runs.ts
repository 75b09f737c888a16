/**
 * Runs without a row. Most runs need one try, and their command, which is recorded with the go for it,
 * says all that there is to say: so they have no row until there is more. The record of the invocation
 * has their places in the journal.
 *
 * 1. An outstanding run has a row, or stands among the plain ones of its record; never both.
 * 2. A plain run has had its go for try 1, at the time of its command, and no failure.
 */
import { broken } from "../../protocol/assert.ts";
import type { Command } from "../../protocol/command.ts";
import { entryReader } from "./history.ts";
import { invocationIdOf, type Invocation, type PlainRun } from "./invocation.ts";
import { decodeJournalEntry, type Run } from "./rows.ts";
import type { ReadTx } from "./tx.ts";

/** They stand in the record, which stays small: the others have rows. */
const PLAIN_MAX = 16;

const NONE: readonly PlainRun[] = [];

export type RunCommand = Command & { readonly kind: "run" };

/** As its first go leaves. */
export function firstTry(command: RunCommand, atMs: number): Run {
  return {
    completionId: command.completionId,
    name: command.name,
    retry: command.retry,
    tries: 1,
    failures: 0,
    firstTryAtMs: atMs,
    nextTryAtMs: null,
    lastFailure: null,
    cancelled: false,
    mode: command.mode,
    mayHaveHappened: true,
    failingSinceMs: null,
  };
}

/** Right after its command was appended. False when it needs a row. */
export function addPlain(invocation: Invocation, command: number): boolean {
  const { plainRuns, commands, deliveries } = invocation;
  if (plainRuns.length >= PLAIN_MAX) return false;
  invocation.plainRuns = [...plainRuns, { command, entry: commands + deliveries - 1 }];
  return true;
}

/** Its end, or a row takes its place. False when it has a row. */
export function removePlain(invocation: Invocation, command: number): boolean {
  const { plainRuns } = invocation;
  if (plainRuns.length === 0) return false;
  // Mostly there is the one.
  if (plainRuns.length === 1 && plainRuns[0]?.command === command) {
    invocation.plainRuns = NONE;
    return true;
  }
  const left = plainRuns.filter((it) => it.command !== command);
  invocation.plainRuns = left;
  return left.length < plainRuns.length;
}

/** The command of the one that this completes. @throws DamagedRowError */
export function findPlain(
  tx: ReadTx,
  invocation: Invocation,
  completionId: number,
): number | undefined {
  const found = invocation.plainRuns.find(
    ({ entry }) => readPlain(tx, invocation, entry).completionId === completionId,
  );
  return found?.command;
}

/** From its command in the journal. @throws DamagedRowError when that is not what was written */
export function readPlain(tx: ReadTx, invocation: Invocation, entry: number): Run {
  const row = entryReader(tx, invocation)(entry);
  const found = row && decodeJournalEntry(row);
  if (found?.kind !== "command" || found.command.kind !== "run") {
    broken(`entry ${entry} of ${invocationIdOf(invocation)} is no run`);
  }
  return firstTry(found.command, found.atMs);
}
