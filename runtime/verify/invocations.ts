/**
 * From each invocation to the rows that its record promises: input, outcome, journal, queue, key,
 * inbox, names, timers, expiry, what is outstanding.
 */
import { entriesInRecord } from "../core/history.ts";
import { isWorkflowRun, takesKey, type Invocation } from "../core/invocation.ts";
import {
  activeKey,
  expiryKey,
  idempotencyKey,
  inboxKey,
  inputKey,
  INVOCATIONS,
  invocationKey,
  journalKey,
  journalPrefix,
  lockKey,
  outcomeKey,
  parkedKey,
  pausedKeyKey,
  pausedServiceKey,
  readU48,
  readyKey,
  timerKey,
  workflowKey,
  type Expiry,
  type TimerKind,
} from "../core/keys.ts";
import { decodePause } from "../core/pause-rows.ts";
import { decodeInvocation, decodeLock, decodeNumber } from "../core/rows.ts";
import type { Report } from "./findings.ts";
import { checkOutstanding } from "./outstanding.ts";
import { named, type Rows } from "./rows.ts";

type Expect = (holds: boolean, problem: string) => void;

/** Gives how many there are. */
export function checkInvocations(rows: Rows, report: Report): number {
  let count = 0;
  for (const [key] of rows.all(INVOCATIONS)) {
    count++;
    const invocation = rows.invocation(readU48(key, 1));
    if (invocation === undefined) continue;
    const expect: Expect = (holds, problem) => {
      if (!holds) report({ row: key, problem: `${named(invocation)} ${problem}` });
    };
    checkHistory(rows, invocation, expect);
    checkQueues(rows, invocation, expect);
    checkKey(rows, invocation, expect);
    checkNames(rows, invocation, expect);
    checkTimers(rows, invocation, expect);
    checkExpiry(rows, invocation, expect);
    checkOutstanding(rows, invocation, report);
  }
  return count;
}

function checkHistory(rows: Rows, it: Invocation, expect: Expect): void {
  const { sequence, status } = it;
  const ended = status === "completed";
  const input = places(it.inRecord?.input, rows.has(inputKey(sequence)));
  expect(input > 0, "has no input");
  const outcome = places(it.inRecord?.outcome, rows.has(outcomeKey(sequence)));
  expect(outcome > 0 === ended, ended ? "has no outcome" : "has an outcome and has not ended");
  expect(input <= 1 && outcome <= 1, "has a part in its record and in a row too");
  expect(it.attempts > 0 === (it.startedAtMs !== null), "does not know when it started");
  const recorded = it.commands + it.deliveries;
  const entries = rows.countEntries(journalPrefix(sequence), recorded) + entriesInRecord(it);
  for (let index = 0; index < entriesInRecord(it); index++) {
    const alone = !rows.has(journalKey(sequence, index));
    expect(alone, `has entry ${index} of its journal in its record and in a row too`);
  }
  const [least, most] = journalBounds(rows, it);
  const fits = entries >= least && entries <= most;
  expect(fits, `has ${entries} journal entries, ${recorded} are recorded`);
  const nothingBehind =
    it.failures + it.losses + it.idleResumes === 0 && it.failingSinceMs === null;
  expect(nothingBehind || !lags(rows, it), "got on, and what failed before that still counts");
}

/** Its record does not tell of all that its journal has: see catch-up.ts. */
function lags(rows: Rows, { sequence, commands, deliveries }: Invocation): boolean {
  const record = rows.read(invocationKey(sequence), (row) => decodeInvocation(sequence, row));
  return record !== undefined && record.commands + record.deliveries < commands + deliveries;
}

/** In how many places a part of it stands. */
function places(part: Uint8Array | null | undefined, inRow: boolean): number {
  return Number(part != null) + Number(inRow);
}

/** How many entries may be there: all; or fewer while they go; or none when their retention was over first. */
function journalBounds(rows: Rows, it: Invocation): readonly [least: number, most: number] {
  const recorded = it.commands + it.deliveries;
  if (it.purging || hasExpiry(rows, it, "journal")) return [0, recorded];
  return it.journalExpiresAtMs === null ? [recorded, recorded] : [0, 0];
}

function checkQueues(rows: Rows, it: Invocation, expect: Expect): void {
  const { sequence, status, target, deployment, parked } = it;
  const active = rows.has(activeKey(sequence));
  expect(active === (status === "running"), active ? "has an active row" : "has no active row");
  const queued = rows.has(readyKey({ ...target, version: deployment ?? "" }, sequence));
  const shouldQueue = status === "ready" && !parked;
  expect(queued === shouldQueue, queued ? "stands in a ready queue" : "stands in no ready queue");
  const isParked = rows.has(parkedKey(target.service, target.key ?? "", sequence));
  expect(isParked === parked, isParked ? "is parked, unknown to it" : "is parked nowhere");
  expect(!parked || status === "ready", "is parked and not ready");
  const pause = rows.read(pausedKeyKey(target.service, target.key ?? ""), decodePause);
  expect(!parked || pause !== undefined, "is parked, and its key is not paused");
  if (status !== "running") return;
  expect(target.key === null || !pause || pause.resuming, "runs although its key is paused");
  expect(!rows.has(pausedServiceKey(target.service)), "runs although its service is paused");
}

function checkKey(rows: Rows, it: Invocation, expect: Expect): void {
  if (!takesKey(it)) return;
  const { service, key } = it.target;
  const lock = rows.read(lockKey(service, key ?? ""), decodeLock);
  const holds = lock?.holder === it.sequence;
  const shouldHold = !["scheduled", "inboxed", "completed"].includes(it.status);
  expect(holds === shouldHold, holds ? "holds its key" : "does not hold its key");
  const inboxed = it.status === "inboxed";
  expect(inboxed === it.inboxOrder > 0, inboxed ? "has no place in an inbox" : "keeps a place");
  if (!inboxed) return;
  const place = rows.read(inboxKey(service, key ?? "", it.inboxOrder), decodeNumber);
  expect(place === it.sequence, "is not where it should be in the inbox of its key");
}

/** A purge takes the name away first, and another invocation may have it then. */
function checkNames(rows: Rows, it: Invocation, expect: Expect): void {
  if (it.purging) return;
  const { target, sequence } = it;
  if (isWorkflowRun(it)) {
    const run = rows.read(workflowKey(target.service, target.key ?? ""), decodeNumber);
    expect(run === sequence, "is not what the key of its workflow names");
  } else if (it.idempotencyKey !== null) {
    const found = rows.read(idempotencyKey(target, it.idempotencyKey), decodeNumber);
    expect(found === sequence, "is not what its idempotency key names");
  }
}

function checkTimers(rows: Rows, it: Invocation, expect: Expect): void {
  const { sequence, status, scheduledForMs, nextAttemptAtMs } = it;
  const armed = (kind: TimerKind, dueAtMs: number | null): boolean =>
    dueAtMs !== null && rows.has(timerKey({ dueAtMs, sequence, kind, id: 0 }));
  if (status === "scheduled") expect(armed("start", scheduledForMs), "has no start timer");
  if (status === "backing-off") {
    expect(armed("retry", nextAttemptAtMs), "has no retry timer");
    expect(it.failures > 0 || it.losses > 0, "backs off from nothing");
  }
  if (status === "suspended" && nextAttemptAtMs !== null) {
    expect(armed("resume", nextAttemptAtMs), "has no resume timer");
  }
}

function hasExpiry(rows: Rows, it: Invocation, kind: Expiry["kind"]): boolean {
  const dueAtMs = kind === "journal" ? it.journalExpiresAtMs : it.expiresAtMs;
  return dueAtMs !== null && rows.has(expiryKey({ dueAtMs, sequence: it.sequence, kind }));
}

function checkExpiry(rows: Rows, it: Invocation, expect: Expect): void {
  const kinds = (["journal", "purge"] as const).filter((kind) => hasExpiry(rows, it, kind));
  const wanted = it.status === "completed" ? 1 : 0;
  expect(kinds.length === wanted, `has ${kinds.length} expiry rows, not ${wanted}`);
  expect(!it.purging || kinds.includes("purge"), "is being purged and never will be");
}
