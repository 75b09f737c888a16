/** What an invocation waits for, by name. Made from durable rows alone. */
import { formatAwakeableId } from "../../protocol/ids.ts";
import type { Command } from "../../protocol/command.ts";
import { idPartsOf, invocationIdOf, type Invocation } from "../core/invocation.ts";
import { inboxKey, inboxPrefix, lockKey, pendingPrefix, prefixEnd, readU32 } from "../core/keys.ts";
import { decodeLock, decodePending, type JournalEntry, type Pending } from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import { iso, isoOrNull, peer, readRuns } from "./summary.ts";
import type { InvocationPeer, WaitView } from "./views.ts";

/** Counting who is ahead in an inbox stops here. */
const AHEAD_MAX = 10_000;
/** Outstanding commands that are shown. */
const WAITS_MAX = 1_000;

interface Recorded {
  readonly command: Command;
  readonly atMs: number;
}

export function waitsFor(
  tx: ReadTx,
  invocation: Invocation,
  journal: readonly JournalEntry[],
): WaitView[] {
  const waits = [...ownWaits(tx, invocation), ...pendingWaits(tx, invocation, journal)];
  waits.push(...runWaits(tx, invocation, journal), ...signalWaits(invocation, journal));
  return waits;
}

/** What follows from the status alone. */
function ownWaits(tx: ReadTx, invocation: Invocation): WaitView[] {
  const { status, target, nextAttemptAtMs, scheduledForMs, deployment } = invocation;
  switch (status) {
    case "scheduled":
      return scheduledForMs === null ? [] : [{ kind: "start-time", until: iso(scheduledForMs) }];
    case "inboxed":
      return [keyWait(tx, invocation)];
    case "ready":
      return [{ kind: "worker", service: target.service, deployment }];
    case "backing-off":
      return nextAttemptAtMs === null ? [] : [{ kind: "retry", until: iso(nextAttemptAtMs) }];
    case "suspended":
      return nextAttemptAtMs === null ? [] : [{ kind: "resume", until: iso(nextAttemptAtMs) }];
    case "paused": {
      const hint = "its retries are used up: cancel it (its code may compensate) or kill it";
      return [{ kind: "operator", hint }];
    }
    case "running":
    case "completed":
      return [];
  }
}

function keyWait(tx: ReadTx, invocation: Invocation): WaitView {
  const { service } = invocation.target;
  const key = invocation.target.key ?? "";
  const row = tx.get(lockKey(service, key));
  const holder: InvocationPeer | null = row ? peer(tx, decodeLock(row).holder) : null;
  const range = {
    from: inboxPrefix(service, key),
    to: inboxKey(service, key, invocation.inboxOrder),
    limit: AHEAD_MAX,
  };
  const ahead = tx.range(range).length;
  const unknown = { id: invocationIdOf(invocation), target: null, status: null };
  return {
    kind: "key",
    service,
    key,
    holder: holder ?? unknown,
    ahead: ahead === AHEAD_MAX ? null : ahead,
  };
}

function pendingWaits(
  tx: ReadTx,
  invocation: Invocation,
  journal: readonly JournalEntry[],
): WaitView[] {
  if (invocation.pending === 0) return [];
  const byCompletion = commandsByCompletion(journal);
  const prefix = pendingPrefix(invocation.sequence);
  const rows = tx.range({ from: prefix, to: prefixEnd(prefix), limit: WAITS_MAX });
  return rows.flatMap(([key, value]) => {
    const completionId = readU32(key, prefix.length);
    const recorded = byCompletion.get(completionId);
    return recorded
      ? [pendingWait(tx, invocation, completionId, decodePending(value), recorded)]
      : [];
  });
}

function pendingWait(
  tx: ReadTx,
  invocation: Invocation,
  completionId: number,
  pending: Pending,
  { command, atMs }: Recorded,
): WaitView {
  const base = { command: command.index, name: command.name, since: iso(atMs) };
  switch (pending.kind) {
    case "sleep":
      return { kind: "sleep", until: iso(pending.dueAtMs), ...base };
    case "call":
    case "attach": {
      const sequence = pending.kind === "call" ? pending.child : pending.target;
      const gone = { id: invocationIdOf(invocation), target: null, status: null };
      return { kind: pending.kind, invocation: peer(tx, sequence) ?? gone, ...base };
    }
    case "awakeable": {
      const awakeableId = formatAwakeableId({ invocation: idPartsOf(invocation), completionId });
      return { kind: "awakeable", awakeableId, ...base };
    }
    case "promise":
      return { kind: "promise", promise: pending.name, ...base };
  }
}

function runWaits(
  tx: ReadTx,
  invocation: Invocation,
  journal: readonly JournalEntry[],
): WaitView[] {
  const recordedAt = new Map<number, number>();
  for (const entry of journal) {
    if (entry.kind === "command") recordedAt.set(entry.command.index, entry.atMs);
  }
  return [...readRuns(tx, invocation)].map(([command, run]) => ({
    kind: "run",
    command,
    name: run.name,
    since: iso(recordedAt.get(command) ?? invocation.statusSinceMs),
    tries: run.tries,
    failures: run.failures,
    nextTryAt: isoOrNull(run.nextTryAtMs),
    lastFailure: run.lastFailure,
  }));
}

/** Signals of a name answer their waits in order: a wait is open if fewer have come than were asked for. */
function signalWaits(invocation: Invocation, journal: readonly JournalEntry[]): WaitView[] {
  if (invocation.status === "completed") return [];
  const open = new Map<string, Recorded[]>();
  const spare = new Map<string, number>();
  for (const entry of journal) {
    if (entry.kind === "command" && entry.command.kind === "await-signal") {
      const { signal } = entry.command;
      const kept = spare.get(signal) ?? 0;
      if (kept > 0) spare.set(signal, kept - 1);
      else open.set(signal, [...(open.get(signal) ?? []), entry]);
    } else if (entry.kind === "delivery" && entry.delivery.kind === "signal") {
      const { signal } = entry.delivery;
      const waiting = open.get(signal);
      if (waiting === undefined || waiting.length === 0) {
        spare.set(signal, (spare.get(signal) ?? 0) + 1);
      } else waiting.shift();
    }
  }
  return [...open].flatMap(([signal, waits]) =>
    waits.map(({ command, atMs }) => ({
      kind: "signal" as const,
      signal,
      command: command.index,
      name: command.name,
      since: iso(atMs),
    })),
  );
}

export function commandsByCompletion(journal: readonly JournalEntry[]): Map<number, Recorded> {
  const found = new Map<number, Recorded>();
  for (const entry of journal) {
    if (entry.kind !== "command") continue;
    const { command } = entry;
    if ("completionId" in command && command.kind !== "withdraw") {
      found.set(command.completionId, entry);
    }
  }
  return found;
}
