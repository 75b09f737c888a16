/** One invocation as lists show it. */
import type { Target } from "../../protocol/command.ts";
import { readRecord } from "../core/catch-up.ts";
import { readOr } from "../core/damage.ts";
import { invocationIdOf, type Invocation, type Status } from "../core/invocation.ts";
import { invocationKey, type Sequence } from "../core/keys.ts";
import type { Run } from "../core/rows.ts";
import { runReaders } from "../core/run-rows.ts";
import type { ReadTx } from "../core/tx.ts";
import type { InvocationPeer, InvocationSummary, IsoTime, LastFailureView } from "./views.ts";

/** Undefined when it is not there, or is quarantined. */
export function loadInvocation(tx: ReadTx, sequence: Sequence): Invocation | undefined {
  const row = tx.get(invocationKey(sequence));
  return row && readOr(() => readRecord(tx, sequence, row), undefined);
}

export function summarize(tx: ReadTx, invocation: Invocation): InvocationSummary {
  const runs = readRuns(tx, invocation);
  const { lastFailure } = invocation;
  const run = lastFailure?.command == null ? undefined : runs.get(lastFailure.command);
  return {
    id: invocationIdOf(invocation),
    target: invocation.target,
    status: shownStatus(invocation, runs),
    statusSince: iso(invocation.statusSinceMs),
    createdAt: iso(invocation.createdAtMs),
    completedAt: isoOrNull(invocation.completedAtMs),
    deployment: invocation.deployment,
    attempts: invocation.attempts,
    failures: Math.max(invocation.failures, ...[...runs.values()].map((it) => it.failures)),
    lastFailure: lastFailureView(invocation, run?.name ?? ""),
    nextRetryAt: isoOrNull(nextRetryAtMs(invocation, runs)),
    idempotencyKey: invocation.idempotencyKey,
    cancelRequested: invocation.cancelledAt > 0,
  };
}

function lastFailureView({ lastFailure }: Invocation, name: string): LastFailureView | null {
  if (lastFailure === null) return null;
  const { failure, command, atMs } = lastFailure;
  const entry = command === null ? null : { command, kind: null, name };
  return { ...failure, at: iso(atMs), entry };
}

/**
 * A run that fails is tried again within its attempt, beside whatever else the attempt does. When
 * nothing of it is executing, people call that backing off.
 */
function shownStatus(invocation: Invocation, runs: ReadonlyMap<number, Run>): Status {
  const { status } = invocation;
  if ((status !== "running" && status !== "suspended") || runs.size === 0) return status;
  return [...runs.values()].every((run) => run.nextTryAtMs !== null) ? "backing-off" : status;
}

function nextRetryAtMs(invocation: Invocation, runs: ReadonlyMap<number, Run>): number | null {
  if (invocation.status === "backing-off") return invocation.nextAttemptAtMs;
  const tries = [...runs.values()].flatMap((run) => run.nextTryAtMs ?? []);
  return tries.length === 0 ? null : Math.min(...tries);
}

/** Outstanding runs by the index of their command; those that cannot be read are left out. */
export function readRuns(tx: ReadTx, invocation: Invocation): ReadonlyMap<number, Run> {
  const runs = new Map<number, Run>();
  for (const [command, read] of runReaders(tx, invocation)) {
    const run = readOr(read, undefined);
    if (run) runs.set(command, run);
  }
  return runs;
}

export function peer(tx: ReadTx, sequence: Sequence): InvocationPeer | null {
  const invocation = loadInvocation(tx, sequence);
  return invocation ? peerOf(invocation) : null;
}

export function peerOf(invocation: Invocation): InvocationPeer & { readonly target: Target } {
  const { target, status, statusSinceMs } = invocation;
  return { id: invocationIdOf(invocation), target, status, statusSince: iso(statusSinceMs) };
}

export function iso(timeMs: number): IsoTime {
  return new Date(timeMs).toISOString();
}

export function isoOrNull(timeMs: number | null): IsoTime | null {
  return timeMs === null ? null : iso(timeMs);
}
