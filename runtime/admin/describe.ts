/** One invocation in full: where it is, why it waits, where its time went, what it did. */
import type { InvocationIdParts } from "../../protocol/ids.ts";
import { readRecord } from "../core/catch-up.ts";
import { quarantined, readOr, tryRead } from "../core/damage.ts";
import { hasJournal, readInput, readOutcome } from "../core/history.ts";
import type { Invocation, SpentMs } from "../core/invocation.ts";
import { byIndex, findCommand } from "../core/journal.ts";
import { inboxKey, invocationKey } from "../core/keys.ts";
import { DamagedRowError, type ReadTx } from "../core/tx.ts";
import { noting, QuarantinedError } from "./damage.ts";
import type { LiveFacts } from "./facts.ts";
import { viewJournal } from "./journal-view.ts";
import { MeteredTx } from "./metered-tx.ts";
import { isoOrNull, peer, readRuns, summarize } from "./summary.ts";
import type {
  InvocationDescription,
  InvocationSummary,
  JournalRequest,
  OutcomeView,
} from "./views.ts";
import { waitsFor } from "./waits.ts";

const BOUNDS = { commandsMax: 1_000, aheadMax: 2_000, signalEntriesMax: 10_000 };
/** The command of the last failure is one of the last, and all commands are in order. */
const LOOKUP_ROWS_MAX = 1_000;

export function describeInvocation(
  source: ReadTx,
  live: LiveFacts,
  id: InvocationIdParts,
  request: JournalRequest,
): InvocationDescription | undefined {
  const { tx, problems } = noting(source);
  const invocation = findInvocation(tx, id);
  if (invocation === undefined) return undefined;
  const input = readOr(() => readInput(tx, invocation), undefined);
  const journaled = withKeptJournal(tx, invocation);
  const { waits, cut } = waitsFor({ tx: new MeteredTx(tx), live, bounds: BOUNDS }, invocation);
  const description = {
    ...withEntry(tx, journaled, summarize(tx, invocation)),
    serviceKind: invocation.serviceKind,
    mode: invocation.mode,
    startedAt: isoOrNull(invocation.startedAtMs),
    expiresAt: isoOrNull(invocation.expiresAtMs),
    parent: invocation.parent && peer(tx, invocation.parent.sequence),
    pauseRequested: invocation.holdRequested,
    waitsFor: waits,
    waitsForCut: cut,
    spentMs: spentUntil(tx, invocation, live.nowMs()),
    outcome: outcomeOf(tx, invocation),
    lastFailureStack: invocation.lastFailure?.stack ?? "",
    inputBytes: input?.parameter.length ?? 0,
    journalLength: journaled.commands + journaled.deliveries,
    journal: viewJournal(new MeteredTx(tx), journaled, request),
  };
  const damaged = [...problems(), ...lostPlace(tx, invocation)];
  return damaged.length === 0 ? description : { ...description, damaged };
}

/** A damaged row of an inbox names nobody: it was passed over. */
function lostPlace(tx: ReadTx, { status, target, inboxOrder }: Invocation): string[] {
  if (status !== "inboxed") return [];
  const place = inboxKey(target.service, target.key ?? "", inboxOrder);
  if (tx.get(place) !== undefined) return [];
  return ["its place in the inbox was damaged and it was passed over: kill it, and call again"];
}

/** The invocation that an id names, if it is (still) there. @throws QuarantinedError */
export function findInvocation(tx: ReadTx, id: InvocationIdParts): Invocation | undefined {
  const row = tx.get(invocationKey(id.sequence));
  const invocation = row && tryRead(() => readRecord(tx, id.sequence, row));
  if (invocation instanceof DamagedRowError) {
    throw new QuarantinedError(quarantined(id.sequence, invocation.message));
  }
  if (invocation?.tag !== id.tag || invocation.epoch !== id.epoch) return undefined;
  return invocation.purging ? undefined : invocation;
}

function withKeptJournal(tx: ReadTx, invocation: Invocation): Invocation {
  return hasJournal(tx, invocation) ? invocation : { ...invocation, commands: 0, deliveries: 0 };
}

/** The record knows what went before its present status, and all of the waits of runs. */
function spentUntil(tx: ReadTx, invocation: Invocation, nowMs: number): SpentMs {
  const { status, statusSinceMs, spentMs } = invocation;
  if (status === "completed") return spentMs;
  const here = spentMs[status] + Math.max(0, nowMs - statusSinceMs);
  const toCome = [...readRuns(tx, invocation).values()].map((run) =>
    Math.max(0, (run.nextTryAtMs ?? 0) - nowMs),
  );
  const runs = toCome.reduce((rest, ms) => rest - ms, spentMs["runs-backing-off"]);
  return { ...spentMs, [status]: here, "runs-backing-off": runs };
}

/** The journal knows what the command was that the last failure has to do with. */
function withEntry(
  tx: ReadTx,
  invocation: Invocation,
  summary: InvocationSummary,
): InvocationSummary {
  const { lastFailure } = summary;
  if (lastFailure?.entry == null) return summary;
  const { command } = lastFailure.entry;
  const look = () => findCommand(tx, invocation, byIndex(command), LOOKUP_ROWS_MAX);
  const found = readOr(look, undefined);
  if (found === undefined) return summary;
  const { kind, name } = found.command;
  return { ...summary, lastFailure: { ...lastFailure, entry: { command, kind, name } } };
}

function outcomeOf(tx: ReadTx, invocation: Invocation): OutcomeView | null {
  const outcome = readOr(() => readOutcome(tx, invocation), undefined);
  if (outcome === undefined) return null;
  const { result, contentType } = outcome;
  return result.ok
    ? { ok: true, sizeBytes: result.value.length, contentType }
    : { ok: false, failure: result.failure };
}
