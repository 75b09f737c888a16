/** From rows to whom they belong: no row of an invocation that is not there, no timer without an owner. */
import type { Invocation } from "../core/invocation.ts";
import {
  EXPIRIES,
  invocationKey,
  parseExpiryKey,
  parseTimerKey,
  pendingKey,
  readU32,
  readU48,
  runKey,
  TIMERS,
  waiterPrefix,
  type Timer,
} from "../core/keys.ts";
import { decodeNumber, decodePending, decodeRun } from "../core/rows.ts";
import type { RowKey } from "../core/tx.ts";
import { expectIn, type Report } from "./findings.ts";
import { named, type Rows } from "./rows.ts";

export function checkOwners(rows: Rows, report: Report): void {
  checkRowsOfInvocations(rows, report);
  checkWaiters(rows, report);
  checkQueues(rows, report);
  checkNames(rows, report);
  checkTimers(rows, report);
  checkExpiries(rows, report);
}

/** Rows that begin with a sequence number, and whose they are. */
const OF_INVOCATION: Readonly<Record<string, string>> = {
  i: "an input",
  o: "an outcome",
  j: "a journal entry",
  p: "something outstanding",
  r: "a run",
  a: "an active row",
  w: "a waiter",
};

function checkRowsOfInvocations(rows: Rows, report: Report): void {
  for (const [prefix, what] of Object.entries(OF_INVOCATION)) {
    for (const [key] of rows.all(prefix)) {
      const there = rows.has(invocationKey(readU48(key, 1)));
      expectIn(report, key)(there, `${what} of an invocation that is not there`);
    }
  }
}

/** Who stands among the waiters of an invocation, or of a promise, waits for it. */
function checkWaiters(rows: Rows, report: Report): void {
  for (const [key] of rows.all("w")) {
    const at = waiterPrefix(0).length;
    checkWaiter(rows, key, at, "attach", report);
  }
  for (const [key] of rows.all("Q")) checkWaiter(rows, key, key.length - 10, "promise", report);
}

function checkWaiter(
  rows: Rows,
  key: RowKey,
  at: number,
  kind: "attach" | "promise",
  report: Report,
): void {
  const [waiter, completionId] = [readU48(key, at), readU32(key, at + 6)];
  const row = pendingKey(waiter, completionId);
  const pending = rows.read(row, decodePending);
  const waits = pending === undefined ? rows.has(row) : pending.kind === kind;
  expectIn(report, key)(waits, `a waiter (${kind}) that does not wait`);
}

/** Ready queues and parked rows hold what is ready. */
function checkQueues(rows: Rows, report: Report): void {
  for (const [prefix, what] of [
    ["R", "a ready queue"],
    ["x", "a parking place"],
  ] as const) {
    for (const [key] of rows.all(prefix)) {
      const sequence = readU48(key, key.length - 6);
      const owner = rows.invocation(sequence);
      const ready = owner ? owner.status === "ready" : rows.has(invocationKey(sequence));
      expectIn(report, key)(ready, `${what} holds what is not ready: ${nameOf(owner)}`);
    }
  }
}

function checkNames(rows: Rows, report: Report): void {
  for (const [prefix, what] of [
    ["y", "an idempotency key"],
    ["W", "the key of a workflow"],
    ["q", "an inbox"],
  ] as const) {
    for (const [key, value] of rows.all(prefix)) {
      const sequence = rows.read(key, () => decodeNumber(value));
      const there = sequence === undefined || rows.has(invocationKey(sequence));
      expectIn(report, key)(there, `${what} names an invocation that is not there`);
    }
  }
}

function checkTimers(rows: Rows, report: Report): void {
  for (const [key] of rows.all(TIMERS)) {
    const timer = parseTimerKey(key);
    // These reach whom they reach: it may have ended, and been purged.
    if (timer.kind === "cancel" || timer.kind === "kill") continue;
    const owner = rows.invocation(timer.sequence);
    if (owner === undefined && rows.has(invocationKey(timer.sequence))) continue;
    if (owner !== undefined && wantsTimer(rows, owner, timer)) continue;
    report({ row: key, problem: `a ${timer.kind} timer that nobody wants: ${nameOf(owner)}` });
  }
}

function wantsTimer(rows: Rows, owner: Invocation, timer: Timer): boolean {
  const { status, scheduledForMs, nextAttemptAtMs, sequence } = owner;
  switch (timer.kind) {
    case "start":
      return status === "scheduled" && scheduledForMs === timer.dueAtMs;
    case "retry":
      return status === "backing-off" && nextAttemptAtMs === timer.dueAtMs;
    case "resume":
      return status === "suspended" && nextAttemptAtMs === timer.dueAtMs;
    case "sleep": {
      const row = pendingKey(sequence, timer.id);
      const pending = rows.read(row, decodePending);
      if (pending === undefined) return rows.has(row);
      return pending.kind === "sleep" && pending.dueAtMs === timer.dueAtMs;
    }
    case "run-retry": {
      const row = runKey(sequence, timer.id);
      const run = rows.read(row, decodeRun);
      return run === undefined ? rows.has(row) : run.nextTryAtMs === timer.dueAtMs;
    }
    case "cancel":
    case "kill":
      return true;
  }
}

function checkExpiries(rows: Rows, report: Report): void {
  for (const [key] of rows.all(EXPIRIES)) {
    const { dueAtMs, sequence, kind } = parseExpiryKey(key);
    const owner = rows.invocation(sequence);
    if (owner === undefined && rows.has(invocationKey(sequence))) continue;
    const due = kind === "journal" ? owner?.journalExpiresAtMs : owner?.expiresAtMs;
    if (owner?.status === "completed" && due === dueAtMs) continue;
    report({ row: key, problem: `a ${kind} expiry that nobody wants: ${nameOf(owner)}` });
  }
}

function nameOf(owner: Invocation | undefined): string {
  return owner === undefined ? "its invocation is not there" : named(owner);
}
