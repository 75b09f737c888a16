/**
 * What one `apply` works with: the rows, the clock, the effects it collects, and the partition's
 * memory of what is live (connections and attempts, never what merely waits).
 *
 * 1. Memory is a function of the inputs since the last `recover`: nothing else changes it.
 * 2. `load` gives one object per invocation within a step; `flush` marks those that changed, and
 *    their rows are made when the batch is closed, or read.
 */
import { assert } from "../../protocol/assert.ts";
import type { InvocationIdParts } from "../../protocol/ids.ts";
import type { ServiceManifest } from "../../protocol/manifest.ts";
import type { RuntimeMessage } from "../../protocol/message.ts";
import type { NumberMap } from "../../protocol/number-map.ts";
import { changed } from "./changed.ts";
import type { Counts } from "./counts.ts";
import { LAG_MAX, readRecord } from "./catch-up.ts";
import { quarantine, tryRead, type Damage } from "./damage.ts";
import type { Effect, Response } from "./effect.ts";
import type { ConnectionId, RequestId } from "./input.ts";
import { invocationKey, type Sequence } from "./keys.ts";
import type { KeptHistory } from "./kept-history.ts";
import type { KeyCache } from "./key-cache.ts";
import type { Invocation } from "./invocation.ts";
import type { ShortRows } from "./large-values.ts";
import type { Limits } from "./limits.ts";
import type { Pauses } from "./pauses.ts";
import { encodeInvocation, type InputRow, type Run } from "./rows.ts";
import type { ReadyQueues } from "./ready-queues.ts";
import { DamagedRowError, type LateRow, type RowKey, type Tx } from "./tx.ts";

export { changed };

/** A go that a run holds. */
export interface Granted {
  readonly try: number;
  /** It asks the outside whether the run happened, in place of the closure. */
  readonly probe: boolean;
}

/** What the row of a run says, so that it need not be read; and the go of its present try. */
export interface OpenRun {
  run: Run;
  /** Its closure or probe may be executing now. */
  go: Granted | undefined;
}

/** An invocation whose start was sent along with that of the one before it: see followers.ts. */
export interface Announced {
  readonly handle: number;
  readonly sequence: Sequence;
}

/** One attempt on one connection. */
export interface Attempt {
  readonly connection: Connection;
  readonly handle: number;
  readonly invocation: Invocation;
  /** Runs recorded and not completed, by command index: while there are any, deliveries wait for the disk. */
  readonly runs: NumberMap<OpenRun>;
  /** It waits, for nothing but calls and attaches. Until its next command or delivery. */
  idle: boolean;
  /** It issued a command or recorded a result: what failed before is behind it. */
  progressed: boolean;
  /** Of the state of its key; null while that is not known. See state-size.ts. */
  stateBytes: number | null;
  /** State that answers brought along; null when they bring none. See state-along.ts. */
  along: StateAlong | null;
  readonly kept: KeptHistory;
  /** Sent along with it and still waiting, in the order of the inbox. */
  followers: readonly Announced[];
  /** What it recorded with large values, without them: see large-values.ts. */
  shortRows: ShortRows | undefined;
}

/** What was sent along to an attempt so far. */
export interface StateAlong {
  messages: number;
  bytes: number;
}

/** Ready invocations of one handler; `pinned` when they have started, on the connection's deployment. */
export interface ReadyQueue {
  readonly prefix: string;
  readonly service: string;
  readonly pinned: boolean;
}

export interface Connection {
  readonly id: ConnectionId;
  readonly version: string;
  readonly concurrency: number;
  readonly followersMax: number;
  readonly services: ReadonlyMap<string, ServiceManifest>;
  readonly attempts: NumberMap<Attempt>;
  /** The ready queues that it may serve, and which of them has its turn: see ready.ts. */
  readonly queues: readonly ReadyQueue[];
  turn: number;
  nextHandle: number;
  draining: boolean;
  congested: boolean;
  /** Attempts that the worker is asked to suspend: see room.ts. */
  roomAsked: number;
}

/** A service as callers see it: the deployment that takes new invocations. */
export interface ServiceEntry {
  readonly manifest: ServiceManifest;
  readonly version: string;
}

/** Requests that wait for the outcome of an invocation. */
export interface Waiting {
  readonly sequence: Sequence;
  /** In the order in which they came. */
  readonly requests: RequestId[];
}

export interface Memory {
  readonly limits: Limits;
  /** An idempotency key used with another payload is refused. */
  readonly idempotencyPayloadCheck: boolean;
  readonly epoch: number;
  readonly connections: Map<ConnectionId, Connection>;
  /** Live attempts by invocation. */
  readonly attempts: NumberMap<Attempt>;
  readonly services: Map<string, ServiceEntry>;
  /** The services of deployments that were asked for, by version and name. */
  readonly manifests: Map<string, ReadonlyMap<string, ServiceManifest>>;
  readonly counts: Counts;
  /** Requests that wait for an outcome, by invocation. */
  readonly waiting: NumberMap<Waiting>;
  /** The same by request. */
  readonly waitsFor: NumberMap<Waiting>;
  /** Of all that a connection serves. */
  readonly queues: ReadyQueues;
  readonly pauses: Pauses;
  readonly damage: Damage;
  readonly keys: KeyCache;
  /** Connections that looked at as many ready rows as one step may, and go on in the next one. */
  readonly refill: Set<Connection>;
  /**
   * Earliest timer, or a time that has come when some may be due; undefined when there is none, "unknown"
   * when it must be looked up.
   */
  nextDueAtMs: number | undefined | "unknown";
  /** No timer has a lower key. */
  timersFrom: RowKey;
  /** Earliest expiry, in the same way. */
  nextExpiryAtMs: number | undefined | "unknown";
  /** What has expired is removed in steps: the next one not before this. */
  purgeNotBeforeMs: number;
  /** The disk is nearly full: nothing new is accepted from outside. */
  diskLow: boolean;
  nextSequence: number;
  /** Numbers below this are taken by the durable row. */
  sequenceBound: number;
}

export interface Step {
  readonly tx: Tx;
  readonly nowMs: number;
  readonly memory: Memory;
  readonly effects: Effect[];
  readonly loaded: NumberMap<Invocation>;
  /** Each once: `changed` says so on the invocation. */
  readonly changed: Invocation[];
  /** What was accepted from outside: a start in the same step need not decode it from its row. */
  admitted: { readonly sequence: Sequence; readonly input: InputRow } | undefined;
  /** See state-value.ts. */
  stateRead: { readonly row: RowKey; readonly value: Uint8Array | undefined } | undefined;
  /** How many timers were taken back in this step. */
  timersCleared: number;
  /** Connections that lost an attempt in this step: they may have room now. */
  readonly freed: Connection[];
}

/** Undefined when it is not there, or is quarantined: see damage.ts. */
export function load(step: Step, sequence: Sequence): Invocation | undefined {
  const known = step.loaded.get(sequence) ?? step.memory.attempts.get(sequence)?.invocation;
  if (known) return known;
  const row = step.tx.get(invocationKey(sequence));
  if (row === undefined) return undefined;
  const invocation = tryRead(() => readRecord(step.tx, sequence, row));
  if (invocation instanceof DamagedRowError) {
    quarantine(step, sequence, invocation.message);
    return undefined;
  }
  step.loaded.set(sequence, invocation);
  return invocation;
}

/** The invocation that an id from outside names, if it is (still) there. */
export function find(step: Step, id: InvocationIdParts): Invocation | undefined {
  const invocation = load(step, id.sequence);
  if (invocation?.tag !== id.tag || invocation.epoch !== id.epoch) return undefined;
  return invocation.purging ? undefined : invocation;
}

/** A connection may have room now. */
export function free(step: Step, connection: Connection): void {
  if (!step.freed.includes(connection)) step.freed.push(connection);
}

/** An entry was appended that says all that has changed in the record: see catch-up.ts. */
export function lag(step: Step, invocation: Invocation): void {
  invocation.lag++;
  if (invocation.lag >= LAG_MAX) changed(step, invocation);
}

export function flush(step: Step): void {
  const { changed: invocations } = step;
  for (const invocation of invocations) {
    if (!invocation.changed) continue;
    step.tx.putLate(rowOf(invocation));
    invocation.lag = 0;
    invocation.changed = false;
  }
  invocations.length = 0;
}

/** One for each object: while it is marked in a batch, marking it again costs nothing. */
function rowOf(invocation: Invocation): LateRow {
  invocation.row ??= {
    key: invocationKey(invocation.sequence),
    encode: () => {
      invocation.told = invocation.commands + invocation.deliveries;
      return encodeInvocation(invocation);
    },
  };
  return invocation.row;
}

export function respond(step: Step, request: RequestId, response: Response): void {
  step.effects.push({ kind: "respond", when: "durable", demand: true, request, response });
}

export function refuse(
  step: Step,
  request: RequestId,
  refusal: { readonly code: number; readonly message: string },
): void {
  const { code, message } = refusal;
  const source = "ingress";
  respond(step, request, { kind: "refused", code, message, invocationId: null, source });
}

/** To an attempt. `when: "now"` runs ahead of the disk; see effect.ts. */
export function tell(
  step: Step,
  attempt: Pick<Attempt, "connection" | "handle">,
  message: RuntimeMessage,
  when: "now" | "durable",
): void {
  const connection = attempt.connection.id;
  const demand = when === "durable";
  step.effects.push({
    kind: "message",
    when,
    demand,
    connection,
    attempt: attempt.handle,
    message,
  });
}

/** To a worker, about no attempt in particular. */
export function tellWorker(
  step: Step,
  connection: ConnectionId,
  message: RuntimeMessage,
  { when, demand }: { readonly when: "now" | "durable"; readonly demand: boolean },
): void {
  step.effects.push({ kind: "message", when, demand, connection, attempt: 0, message });
}

const SEQUENCE_BLOCK = 1024;

/** The next number of this partition. The durable bound moves in blocks, so that most cost no write. */
export function takeSequence(step: Step, writeBound: (bound: number) => void): number {
  const { memory } = step;
  const sequence = memory.nextSequence++;
  if (sequence >= memory.sequenceBound) {
    memory.sequenceBound = sequence + SEQUENCE_BLOCK;
    writeBound(memory.sequenceBound);
  }
  assert(sequence < memory.sequenceBound, "a sequence is covered by the bound");
  return sequence;
}
