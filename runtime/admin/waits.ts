/** What an invocation waits for, by name. Made from durable rows, and never from the whole journal. */
import { assert } from "../../protocol/assert.ts";
import { formatAwakeableId } from "../../protocol/ids.ts";
import { readOr } from "../core/damage.ts";
import { entryReader } from "../core/history.ts";
import { idPartsOf, invocationIdOf, type Invocation } from "../core/invocation.ts";
import {
  inboxKey,
  inboxPrefix,
  lockKey,
  pendingPrefix,
  prefixEnd,
  readU32,
  serviceKey,
} from "../core/keys.ts";
import {
  decodeJournalEntry,
  decodeLock,
  decodePending,
  decodeService,
  type PendingRow,
} from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import type { LiveFacts } from "./facts.ts";
import type { MeteredTx } from "./metered-tx.ts";
import { pauseWaits } from "./pause-waits.ts";
import { signalWaits } from "./signal-waits.ts";
import { iso, isoOrNull, peer, readRuns } from "./summary.ts";
import type { InvocationPeer, WaitView, WorkerWait } from "./views.ts";

/** How far a read goes; beyond it `cut` says what is left out. */
export interface WaitBounds {
  /** Outstanding commands that are shown. */
  readonly commandsMax: number;
  /** Counting who is ahead in an inbox stops here. */
  readonly aheadMax: number;
  /** Entries of the journal in which signals are looked for, from its end. */
  readonly signalEntriesMax: number;
}

export interface Waits {
  readonly waits: readonly WaitView[];
  readonly cut: readonly string[];
}

/** What is asked for each invocation that is read. */
export interface WaitSource {
  readonly tx: MeteredTx;
  readonly live: LiveFacts;
  readonly bounds: WaitBounds;
}

export function waitsFor(source: WaitSource, invocation: Invocation): Waits {
  const { tx, bounds } = source;
  const pending = pendingWaits(source, invocation);
  const runs = runWaits(tx, invocation).slice(0, bounds.commandsMax);
  const signals = signalWaits(tx, invocation, bounds.signalEntriesMax);
  const cut: string[] = [];
  const outstanding = invocation.pending + invocation.runs;
  const shown = pending.length + runs.length;
  if (shown < outstanding) cut.push(`${outstanding - shown} more outstanding commands`);
  // Mostly there are none, and then the count of them says so.
  if (signals.from > 0 && (invocation.signalsKept !== 0 || shown === 0)) {
    cut.push(`signals awaited before entry ${signals.from} of the journal were not looked for`);
  }
  const pauses = pauseWaits(tx, invocation);
  const own = ownWaits(source, invocation, pauses.length > 0);
  return { waits: [...own, ...pauses, ...pending, ...runs, ...signals.waits], cut };
}

/** What follows from the status alone. */
function ownWaits(source: WaitSource, invocation: Invocation, paused: boolean): WaitView[] {
  const { status, nextAttemptAtMs, scheduledForMs } = invocation;
  const since = iso(invocation.statusSinceMs);
  const until = isoOrNull(status === "scheduled" ? scheduledForMs : nextAttemptAtMs);
  switch (status) {
    case "scheduled":
      return until === null ? [] : [{ kind: "start-time", until, since }];
    case "inboxed":
      return [keyWait(source, invocation)];
    case "ready":
      // What is kept back by a pause no worker would take.
      return paused ? [] : [{ kind: "worker", since, ...workerWait(source, invocation) }];
    case "backing-off":
      return until === null ? [] : [{ kind: "retry", until, since }];
    case "suspended":
      return until === null ? [] : [{ kind: "resume", until, since }];
    case "paused":
    case "running":
    case "completed":
      return [];
  }
}

function keyWait({ tx, bounds }: WaitSource, invocation: Invocation): WaitView {
  const { service } = invocation.target;
  const key = invocation.target.key ?? "";
  const row = tx.get(lockKey(service, key));
  const lock = row && readOr(() => decodeLock(row), undefined);
  const range = {
    from: inboxPrefix(service, key),
    to: inboxKey(service, key, invocation.inboxOrder),
    limit: bounds.aheadMax + 1,
  };
  const since = iso(invocation.statusSinceMs);
  const ahead = bounds.aheadMax === 0 ? 1 : tx.range(range).length;
  return {
    kind: "key",
    service,
    key,
    holder: lock ? peerOrGone(tx, lock.holder, invocation) : gone(invocation),
    heldSince: lock ? iso(lock.sinceMs) : since,
    ahead: ahead > bounds.aheadMax ? null : ahead,
    waiting: lock?.waiting ?? ahead + 1,
    since,
  };
}

function workerWait({ tx, live }: WaitSource, { deployment, target }: Invocation): WorkerWait {
  const { service } = target;
  const row = deployment === null ? tx.get(serviceKey(service)) : undefined;
  const version = deployment ?? (row ? readOr(() => decodeService(row).version, null) : null);
  const workers = version === null ? 0 : live.workersOf(version);
  const serving = version === null ? 0 : live.workersOf(version, target);
  const reason = workers === 0 ? "no-worker" : serving === 0 ? "not-served" : "no-room";
  return { service, deployment: version, workers, reason };
}

function pendingWaits({ tx, bounds }: WaitSource, invocation: Invocation): WaitView[] {
  if (invocation.pending === 0) return [];
  const prefix = pendingPrefix(invocation.sequence);
  const rows = tx.range({ from: prefix, to: prefixEnd(prefix), limit: bounds.commandsMax });
  return rows.flatMap(([key, value]) => {
    // The entry of a command holds what it was given, too.
    if (tx.spent) return [];
    const completionId = readU32(key, prefix.length);
    return readOr(() => pendingWait(tx, invocation, completionId, decodePending(value)), []);
  });
}

/** @throws DamagedRowError when its own row or the entry of its command cannot be read */
function pendingWait(
  tx: ReadTx,
  invocation: Invocation,
  completionId: number,
  pending: PendingRow,
): WaitView {
  const row = entryReader(tx, invocation)(pending.entry);
  const recorded = row && decodeJournalEntry(row);
  assert(recorded?.kind === "command", `entry ${pending.entry} is the command that waits`);
  const { command, atMs } = recorded;
  const base = { command: command.index, name: command.name, since: iso(atMs) };
  switch (pending.kind) {
    case "sleep":
      return { kind: "sleep", until: iso(pending.dueAtMs), ...base };
    case "call":
    case "attach": {
      const sequence = pending.kind === "call" ? pending.child : pending.target;
      return { kind: pending.kind, invocation: peerOrGone(tx, sequence, invocation), ...base };
    }
    case "awakeable": {
      const awakeableId = formatAwakeableId({ invocation: idPartsOf(invocation), completionId });
      return { kind: "awakeable", awakeableId, ...base };
    }
    case "promise":
      return { kind: "promise", promise: pending.name, ...base };
  }
}

/** One that is gone is shown by the id of who waits, so that there is something to ask for. */
function peerOrGone(tx: ReadTx, sequence: number, waiting: Invocation): InvocationPeer {
  return peer(tx, sequence) ?? gone(waiting);
}

function gone(waiting: Invocation): InvocationPeer {
  return { id: invocationIdOf(waiting), target: null, status: null, statusSince: null };
}

function runWaits(tx: ReadTx, invocation: Invocation): WaitView[] {
  return [...readRuns(tx, invocation)].map(([command, run]) => ({
    kind: "run",
    command,
    name: run.name,
    since: iso(run.firstTryAtMs ?? invocation.statusSinceMs),
    mode: run.mode,
    tries: run.tries,
    failures: run.failures,
    nextTryAt: isoOrNull(run.nextTryAtMs),
    lastFailure: run.lastFailure,
  }));
}
