/** What an invocation waits for: each row has what will complete it, and the journal entry that asked. */
import type { Invocation } from "../core/invocation.ts";
import {
  pendingPrefix,
  promiseWaiterKey,
  readU32,
  runKey,
  runPrefix,
  timerKey,
  waiterKey,
} from "../core/keys.ts";
import { decodePending, decodeRun, type PendingRow } from "../core/rows.ts";
import { expectIn, type Report } from "./findings.ts";
import { named, type Rows } from "./rows.ts";

export function checkOutstanding(rows: Rows, it: Invocation, report: Report): void {
  const pending = checkPending(rows, it, report);
  const runs = checkRuns(rows, it, report) + checkPlainRuns(rows, it, report);
  const expect = (holds: boolean, problem: string): void => {
    if (!holds) report({ row: pendingPrefix(it.sequence), problem: `${named(it)} ${problem}` });
  };
  expect(pending === it.pending, `counts ${it.pending} pending, ${pending} are there`);
  expect(runs === it.runs, `counts ${it.runs} runs, ${runs} are there`);
  expect(it.status !== "completed" || pending + runs === 0, "still waits");
}

function checkPending(rows: Rows, it: Invocation, report: Report): number {
  const prefix = pendingPrefix(it.sequence);
  let count = 0;
  for (const [key, value] of rows.all(prefix)) {
    count++;
    const completionId = readU32(key, prefix.length);
    const pending = rows.read(key, () => decodePending(value));
    if (pending === undefined) continue;
    const missing = missingSource(rows, it, completionId, pending);
    const expect = expectIn(report, key);
    expect(missing === undefined, `${named(it)} waits for ${missing}`);
    const asked = isCommandOf(rows, it, pending.entry, completionId);
    expect(asked, `${named(it)} waits for what entry ${pending.entry} of its journal is not`);
  }
  return count;
}

/** What should complete it and is not there; undefined when it is, or comes from outside. */
function missingSource(
  rows: Rows,
  it: Invocation,
  completionId: number,
  pending: PendingRow,
): string | undefined {
  const { sequence, target } = it;
  switch (pending.kind) {
    case "sleep": {
      const timer = {
        dueAtMs: pending.dueAtMs,
        sequence,
        kind: "sleep",
        id: completionId,
      } as const;
      return rows.has(timerKey(timer)) ? undefined : "a sleep without a timer";
    }
    case "call": {
      const child = rows.invocation(pending.child);
      return child && child.status !== "completed" ? undefined : "a callee that is gone";
    }
    case "attach": {
      const waiter = waiterKey(pending.target, sequence, completionId);
      return rows.has(waiter) ? undefined : "an invocation that does not know of it";
    }
    case "promise": {
      const at = { service: target.service, key: target.key ?? "", name: pending.name };
      const waiter = promiseWaiterKey(at, sequence, completionId);
      return rows.has(waiter) ? undefined : "a promise that does not know of it";
    }
    case "awakeable":
      return undefined;
  }
}

function isCommandOf(rows: Rows, it: Invocation, entry: number, completionId: number): boolean {
  const found = rows.journalEntry(it, entry);
  if (found == null) return found === null;
  if (found.kind !== "command" || !("completionId" in found.command)) return false;
  return found.command.completionId === completionId;
}

/** Those whose command says all: it is there, and they have no row beside it. */
function checkPlainRuns(rows: Rows, it: Invocation, report: Report): number {
  for (const { command, entry } of it.plainRuns) {
    const key = runKey(it.sequence, command);
    const expect = expectIn(report, key);
    expect(!rows.has(key), `${named(it)}, run ${command}, has a row and is said to have none`);
    const found = rows.journalEntry(it, entry);
    const isRun =
      found?.kind === "command" && found.command.kind === "run" && found.command.index === command;
    const asked = found === null || isRun;
    expect(asked, `${named(it)} has run ${command}, which entry ${entry} of its journal is not`);
  }
  return it.plainRuns.length;
}

function checkRuns(rows: Rows, it: Invocation, report: Report): number {
  const prefix = runPrefix(it.sequence);
  let count = 0;
  for (const [key, value] of rows.all(prefix)) {
    count++;
    const run = rows.read(key, () => decodeRun(value));
    if (run === undefined) continue;
    const name = `${named(it)}, run ${readU32(key, prefix.length)},`;
    const expect = expectIn(report, key);
    expect(run.tries > 0, `${name} is there and was never let go`);
    expect(run.mode !== "at-most-once" || run.tries <= 1, `${name} had ${run.tries} tries`);
    expect(run.failures === 0 || run.failingSinceMs !== null, `${name} fails since no time`);
    expect(run.nextTryAtMs === null || !run.cancelled, `${name} is cancelled and backs off`);
    expect(run.completionId <= it.completionIdMax, `${name} completes what nobody asked for`);
    // Whoever has no attempt may have let its timer ring: the next attempt sees that it is due.
    const counts = it.status === "running" || it.status === "suspended";
    if (run.nextTryAtMs === null || !counts) continue;
    const id = readU32(key, prefix.length);
    const { sequence } = it;
    const timer = { dueAtMs: run.nextTryAtMs, sequence, kind: "run-retry", id } as const;
    expect(rows.has(timerKey(timer)), `${name} backs off without a timer`);
  }
  return count;
}
