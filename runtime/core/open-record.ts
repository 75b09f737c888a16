/**
 * The record of an invocation that is open, as its row. That of one that has ended is sealed-record.ts.
 *
 * 1. What never changes stands first, and is packed once: a record is written at every step.
 * 2. A field is only ever added at the end.
 */
import { assert } from "../../protocol/assert.ts";
import type { Plain } from "../../protocol/fields.ts";
import { packItems, unpackValue } from "../../protocol/pack.ts";
import { Packer } from "../../protocol/packer.ts";
import { failureFromPlain, failureToPlain } from "../../protocol/plain.ts";
import {
  noTimeSpent,
  SPENT_ON,
  type Invocation,
  type LastFailure,
  type PlainRun,
  type SpentMs,
} from "./invocation.ts";
import { bytesOf, type Sequence } from "./keys.ts";

/** `apply` takes an array-like as it is; a spread would go through an iterator, at ten times the cost. */
function binaryOf(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as ArrayLike<number> as number[]);
}

export function encodeOpen(it: Invocation): Uint8Array {
  it.packed ??= packItems([
    it.epoch,
    bytesOf(it.tag),
    bytesOf(it.seed),
    it.target.service,
    it.target.handler,
    it.target.key,
    it.mode,
    it.serviceKind,
    it.createdAtMs,
    it.idempotencyKey,
    it.parent && [it.parent.sequence, it.parent.completionId],
    it.scheduledForMs,
  ]);
  packer.reset();
  packer.addArrayHead(FIELDS);
  packer.addPacked(it.packed);
  packer.add(it.status);
  packer.add(it.statusSinceMs);
  packer.add(it.deployment);
  packer.add(it.attempts);
  packer.add(it.failures);
  packer.add(it.lastFailure && lastFailureToPlain(it.lastFailure));
  packer.add(it.nextAttemptAtMs);
  packer.add(it.commands);
  packer.add(it.deliveries);
  packer.add(it.completionIdMax);
  packer.add(it.pending);
  packer.add(it.runs);
  packer.add(it.cancelledAt);
  packer.add(it.inboxOrder);
  packer.add(it.idleResumes);
  packer.add(it.startedAtMs);
  packer.add(it.completedAtMs);
  packer.add(it.expiresAtMs);
  packer.add(it.holdRequested);
  packer.add(it.waitsOnlyForOthers);
  packer.add(it.failingSinceMs);
  packer.add(it.losses);
  packer.add(it.journalBytes);
  packer.addArrayHead(SPENT_ON.length);
  for (const what of SPENT_ON) packer.add(it.spentMs[what]);
  packer.add(it.pauseReason);
  packer.add(it.parked);
  packer.add(it.purging);
  packer.add(it.journalExpiresAtMs);
  packer.add(it.signalsKept);
  packer.add(it.waitedFor);
  packer.addArrayHead(2 * it.plainRuns.length);
  for (const { command, entry } of it.plainRuns) {
    packer.add(command);
    packer.add(entry);
  }
  packer.add(it.inRecord === undefined ? null : [it.inRecord.input, it.inRecord.journal]);
  return packer.copy(0, packer.length);
}

/** Nothing in it outlives a call. */
const packer = new Packer();
const FIELDS = 44;

type InvocationFields = [
  epoch: number,
  tag: Uint8Array,
  seed: Uint8Array,
  service: string,
  handler: string,
  key: string | null,
  mode: Invocation["mode"],
  serviceKind: Invocation["serviceKind"],
  createdAtMs: number,
  idempotencyKey: string | null,
  parent: [number, number] | null,
  scheduledForMs: number | null,
  status: Invocation["status"],
  statusSinceMs: number,
  deployment: string | null,
  attempts: number,
  failures: number,
  lastFailure: Plain[] | null,
  nextAttemptAtMs: number | null,
  commands: number,
  deliveries: number,
  completionIdMax: number,
  pending: number,
  runs: number,
  cancelledAt: number,
  inboxOrder: number,
  idleResumes: number,
  startedAtMs: number | null,
  completedAtMs: number | null,
  expiresAtMs: number | null,
  holdRequested: boolean,
  waitsOnlyForOthers: boolean,
  failingSinceMs: number | null,
  losses: number,
  journalBytes: number,
  spentMs: number[],
  pauseReason: Invocation["pauseReason"],
  parked: boolean,
  purging: boolean,
  journalExpiresAtMs: number | null,
  signalsKept: number,
  waitedFor: boolean,
  plainRuns: number[],
  folded: [input: Uint8Array | null, journal: Uint8Array | null] | null,
];

/** Of a row that is not sealed. */
export function decodeOpen(sequence: Sequence, row: Uint8Array): Invocation {
  const all = unpackValue(row);
  assert(Array.isArray(all) && all.length >= FIELDS, `a row of fewer than ${FIELDS} fields`);
  const f = all as InvocationFields; // written by encodeOpen
  return {
    sequence,
    epoch: f[0],
    tag: binaryOf(f[1]),
    seed: binaryOf(f[2]),
    target: { service: f[3], handler: f[4], key: f[5] },
    mode: f[6],
    serviceKind: f[7],
    createdAtMs: f[8],
    idempotencyKey: f[9],
    parent: f[10] && { sequence: f[10][0], completionId: f[10][1] },
    scheduledForMs: f[11],
    status: f[12],
    statusSinceMs: f[13],
    deployment: f[14],
    attempts: f[15],
    failures: f[16],
    lastFailure: f[17] && lastFailureFromPlain(f[17]),
    nextAttemptAtMs: f[18],
    commands: f[19],
    deliveries: f[20],
    completionIdMax: f[21],
    pending: f[22],
    runs: f[23],
    cancelledAt: f[24],
    inboxOrder: f[25],
    idleResumes: f[26],
    startedAtMs: f[27],
    completedAtMs: f[28],
    expiresAtMs: f[29],
    holdRequested: f[30],
    waitsOnlyForOthers: f[31],
    failingSinceMs: f[32],
    losses: f[33],
    journalBytes: f[34],
    spentMs: spentFrom(f[35]),
    pauseReason: f[36],
    parked: f[37],
    purging: f[38],
    journalExpiresAtMs: f[39],
    signalsKept: f[40],
    waitedFor: f[41],
    plainRuns: plainRunsFrom(f[42]),
    lag: 0,
    told: f[19] + f[20],
    inRecord: f[43] === null ? undefined : { input: f[43][0], outcome: null, journal: f[43][1] },
    id: undefined,
    changed: false,
    row: undefined,
    packed: undefined,
  };
}

function spentFrom(values: readonly number[]): SpentMs {
  const spentMs = noTimeSpent();
  SPENT_ON.forEach((what, place) => {
    spentMs[what] = values[place] ?? 0;
  });
  return spentMs;
}

function plainRunsFrom(numbers: readonly number[]): PlainRun[] {
  const runs: PlainRun[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    runs.push({ command: numbers[at] ?? 0, entry: numbers[at + 1] ?? 0 });
  }
  return runs;
}

export function lastFailureToPlain(it: LastFailure): Plain {
  return [failureToPlain(it.failure), it.stack, it.command, it.atMs];
}

export function lastFailureFromPlain(plain: readonly Plain[]): LastFailure {
  const [failure, stack, command, atMs] = plain as [Plain, string, number | null, number]; // written by lastFailureToPlain
  return { failure: failureFromPlain(failure), stack, command, atMs };
}
