/**
 * The record of an invocation, and which status may follow which.
 *
 *     scheduled ─► inboxed ─► ready ─► running ─► completed
 *                               ▲        ├─► suspended ──┐
 *                               │        ├─► backing-off ┤
 *                               │        └─► paused ─────┤
 *                               └────────────────────────┘        any ─► paused (pause)
 *                                                                 any ─► completed (kill, cancel before the start)
 *
 * 1. An exclusive invocation of an object holds its key from "ready" to "completed", whatever it
 *    waits for in between.
 * 2. `deliveries` counts the deliveries in the journal, `commands` the commands; their sum is the
 *    number of journal entries.
 * 3. `failures` counts attempts that failed since the last progress; restarts and resumes do not.
 * 4. Every change of status goes through `setStatus`, which adds the time in the one before to
 *    `spentMs`: with the time in the present status they add up to its age.
 */
import { broken } from "../../protocol/assert.ts";
import type { Target } from "../../protocol/command.ts";
import type { Failure } from "../../protocol/failure.ts";
import {
  formatInvocationId,
  slotOf,
  type InvocationId,
  type InvocationIdParts,
} from "../../protocol/ids.ts";
import type { HandlerMode, ServiceKind } from "../../protocol/manifest.ts";
import type { Sequence } from "./keys.ts";
import type { HistoryInRecord } from "./sealed-record.ts";
import type { LateRow } from "./tx.ts";

export type Status =
  | "scheduled"
  | "inboxed"
  | "ready"
  | "running"
  | "suspended"
  | "backing-off"
  | "paused"
  | "completed";

const MAY_FOLLOW: Readonly<Record<Status, readonly Status[]>> = {
  scheduled: ["inboxed", "ready", "paused", "completed"],
  inboxed: ["ready", "paused", "completed"],
  ready: ["running", "paused", "completed"],
  running: ["ready", "suspended", "backing-off", "paused", "completed"],
  suspended: ["ready", "paused", "completed"],
  "backing-off": ["ready", "paused", "completed"],
  paused: ["ready", "completed"],
  completed: [],
};

export interface LastFailure {
  readonly failure: Failure;
  readonly stack: string;
  /** Index of the command it has to do with. */
  readonly command: number | null;
  readonly atMs: number;
}

/** What the time of an invocation can have gone into. Their order is that of the row: only added to. */
export const SPENT_ON = [
  "scheduled",
  "inboxed",
  "ready",
  "running",
  "suspended",
  "backing-off",
  "paused",
  /** Part of "running": a go, or a delivery beside a run, that waited for its commit. */
  "disk",
  /**
   * Beside the status: runs that waited for their next try, each by itself. Of a wait that is still
   * going on all is in here already, also what is to come.
   */
  "runs-backing-off",
] as const;

/** Milliseconds, up to the last change of its status. */
export type SpentMs = Record<(typeof SPENT_ON)[number], number>;

export function noTimeSpent(): SpentMs {
  return {
    scheduled: 0,
    inboxed: 0,
    ready: 0,
    running: 0,
    suspended: 0,
    "backing-off": 0,
    paused: 0,
    disk: 0,
    "runs-backing-off": 0,
  };
}

/** An outstanding run without a row: the number of its command, and which entry of the journal that is. */
export interface PlainRun {
  readonly command: number;
  readonly entry: number;
}

export interface Invocation {
  readonly sequence: Sequence;
  readonly epoch: number;
  /** 8 random bytes, binary string. */
  readonly tag: string;
  /** 16 random bytes, binary string. */
  readonly seed: string;
  readonly target: Target;
  readonly mode: HandlerMode;
  readonly serviceKind: ServiceKind;
  readonly createdAtMs: number;
  readonly idempotencyKey: string | null;
  /** The call that created it, if a handler waits for it. */
  readonly parent: { readonly sequence: Sequence; readonly completionId: number } | null;
  readonly scheduledForMs: number | null;
  status: Status;
  statusSinceMs: number;
  /** The deployment that started it; null until the first attempt. */
  deployment: string | null;
  attempts: number;
  failures: number;
  lastFailure: LastFailure | null;
  /** While backing off: when the next attempt starts. While suspended: when a delayed resume is due. */
  nextAttemptAtMs: number | null;
  commands: number;
  deliveries: number;
  /** Highest completion id used so far. */
  completionIdMax: number;
  /** Outstanding completions, each with a row, and outstanding runs. */
  pending: number;
  runs: number;
  /** Those of the runs that have no row: see plain-runs.ts. */
  plainRuns: readonly PlainRun[];
  /** Somebody asked for a pause before it was ready: it pauses instead of becoming ready. */
  holdRequested: boolean;
  /** Ordinal of the last cancellation among the deliveries; 0 when never cancelled. */
  cancelledAt: number;
  /** Place in the inbox of its key; 0 when not in it. */
  inboxOrder: number;
  /** Attempts in a row that were resumed and suspended again without issuing a command. */
  idleResumes: number;
  startedAtMs: number | null;
  completedAtMs: number | null;
  expiresAtMs: number | null;
  /** Suspended, and all that is outstanding are calls and attaches: it may be part of a deadlock. */
  waitsOnlyForOthers: boolean;
  /** When the first of the failures in a row came; null while there are none. */
  failingSinceMs: number | null;
  /** Attempts in a row that were lost with their connection before they issued a command. */
  losses: number;
  /** Bytes of its journal's rows. */
  journalBytes: number;
  readonly spentMs: SpentMs;
  /** Why it is paused: somebody asked, its policy allows no further try, or a row that it needs is damaged. */
  pauseReason: "asked" | "exhausted" | "damaged" | null;
  /** Ready, and kept back because its key is paused. */
  parked: boolean;
  /** Its rows are being removed: to the outside it is gone. */
  purging: boolean;
  /** When its journal goes, if that is before the rest; null otherwise. */
  journalExpiresAtMs: number | null;
  /** Signals that came less those that were awaited: below 0 while it waits for one. */
  signalsKept: number;
  /** An invocation attached to it and had to wait: there may be rows of waiters. */
  waitedFor: boolean;
  /** What of its history stands in its record: see fold.ts and, once it has ended, seal.ts. */
  inRecord: HistoryInRecord | undefined;
  /** Of `invocationIdOf` and nobody else: its id, once it was asked for. Not in the row. */
  id: InvocationId | undefined;
  /** Entries of its journal that the record on its way to the disk may not tell of: see catch-up.ts. Not in the row. */
  lag: number;
  /** Of `changed` and `flush` in step.ts: its record is written with this step. Not in the row. */
  changed: boolean;
  /** How many entries its record told of when its bytes were last made: see joined-rows.ts. Not in the row. */
  told: number;
  /** Of `flush` and nobody else: how this object is written. Not in the row. */
  row: LateRow | undefined;
  /** Of `encodeInvocation` and nobody else: the fields that never change. Not in the row. */
  packed: Uint8Array | undefined;
}

export function setStatus(invocation: Invocation, status: Status, nowMs: number): void {
  if (!MAY_FOLLOW[invocation.status].includes(status)) {
    broken(`${invocationIdOf(invocation)} is ${invocation.status} and cannot become ${status}`);
  }
  const before = invocation.status;
  // What has completed changes no more: its time is not spent on anything.
  if (before !== "completed") invocation.spentMs[before] += nowMs - invocation.statusSinceMs;
  invocation.status = status;
  invocation.statusSinceMs = nowMs;
}

export function idPartsOf({ target, tag, epoch, sequence }: Invocation): InvocationIdParts {
  return { slot: slotOf(target.service, target.key ?? tag), epoch, sequence, tag };
}

/** Asked for at every turn, by assertions too: formatted once for each object. */
export function invocationIdOf(invocation: Invocation): InvocationId {
  invocation.id ??= formatInvocationId(idPartsOf(invocation));
  return invocation.id;
}

/** Whether it takes its turn on a key: one at a time, in order. */
export function takesKey(invocation: Invocation): boolean {
  return invocation.serviceKind === "object" && invocation.mode === "exclusive";
}

/** Whether its key names it: a workflow's run happens once per key. */
export function isWorkflowRun(invocation: Pick<Invocation, "serviceKind" | "mode">): boolean {
  return invocation.serviceKind === "workflow" && invocation.mode === "exclusive";
}
