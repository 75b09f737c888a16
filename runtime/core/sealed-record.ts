/**
 * The record of an invocation that has ended, as its row: what people and repeated requests still ask
 * for, and as much of its history as is small (sealed-history.ts makes those parts).
 *
 * Owns the bytes of that form. `rows.ts` has the form of what is open; both stand under the same key,
 * so that whoever reads records meets both.
 *
 *     SEALED, bits of the fields that follow the fixed ones, the fixed fields, those fields in order
 *
 * 1. A record of an open invocation begins with its epoch, a sealed one with a negative number.
 * 2. What only an open invocation uses (its seed, its counts of what is outstanding, its place in an
 *    inbox) is not kept: it reads back as it was at the beginning.
 * 3. A field that says nothing takes no byte; times count from one another.
 * 4. The history comes last, as bytes: a list passes over it.
 */
import { assert, broken } from "../../protocol/assert.ts";
import type { Plain } from "../../protocol/fields.ts";
import type { HandlerMode, ServiceKind } from "../../protocol/manifest.ts";
import { packValue, unpackValue } from "../../protocol/pack.ts";
import { failureFromPlain, failureToPlain } from "../../protocol/plain.ts";
import { noTimeSpent, SPENT_ON, type Invocation, type LastFailure } from "./invocation.ts";
import { bytesOf, type Sequence } from "./keys.ts";

const SEALED = -1;
/** How SEALED stands behind the head of a short or of a long array. */
const SEALED_BYTE = 0xff;
const SHORT_ARRAY = 0x90;
const LONG_ARRAY = 0xdc;

/** Their places are stored: only added to. */
const KINDS: readonly ServiceKind[] = ["service", "object", "workflow"];
const MODES: readonly HandlerMode[] = ["exclusive", "shared", "stateless"];

/** Bits of what a record may have, in the order in which it stands there: only added to. */
const HAS = {
  startedAt: 1,
  idempotencyKey: 1 << 1,
  parent: 1 << 2,
  scheduledFor: 1 << 3,
  failures: 1 << 4,
  lastFailure: 1 << 5,
  cancelledAt: 1 << 6,
  holdRequested: 1 << 7,
  purging: 1 << 8,
  journalExpiresAt: 1 << 9,
  completionIdMax: 1 << 10,
  input: 1 << 11,
  outcome: 1 << 12,
  journal: 1 << 13,
} as const;

/** In the place of a seed that is not kept. */
const NO_SEED = "\0".repeat(16);

/** The parts of its history that stand in the record; a part that does not has rows of its own. */
export interface SealedHistory {
  readonly input: Uint8Array | null;
  readonly outcome: Uint8Array | null;
  readonly journal: Uint8Array | null;
}

export function isSealed(row: Uint8Array): boolean {
  const head = row[0] ?? 0;
  const at = head === LONG_ARRAY ? 3 : 1;
  return (head & 0xf0) === SHORT_ARRAY || head === LONG_ARRAY ? row[at] === SEALED_BYTE : false;
}

export function encodeSealed(it: Invocation): Uint8Array {
  const { completedAtMs, expiresAtMs, createdAtMs, sealed } = it;
  if (completedAtMs === null || expiresAtMs === null || sealed === undefined) {
    broken(`a ${it.status} invocation cannot be sealed`);
  }
  let bits = 0;
  const all = fixedFields(it, completedAtMs, expiresAtMs);
  const add = (bit: number, present: boolean, value: Plain): void => {
    if (!present) return;
    bits |= bit;
    all.push(value);
  };
  const { startedAtMs, idempotencyKey, parent, scheduledForMs, lastFailure } = it;
  add(HAS.startedAt, startedAtMs !== null, (startedAtMs ?? 0) - createdAtMs);
  add(HAS.idempotencyKey, idempotencyKey !== null, idempotencyKey);
  add(HAS.parent, parent !== null, parent && [parent.sequence, parent.completionId]);
  add(HAS.scheduledFor, scheduledForMs !== null, (scheduledForMs ?? 0) - createdAtMs);
  add(HAS.failures, it.failures > 0, it.failures);
  add(HAS.lastFailure, lastFailure !== null, lastFailure && failureOf(lastFailure));
  add(HAS.cancelledAt, it.cancelledAt > 0, it.cancelledAt);
  add(HAS.holdRequested, it.holdRequested, true);
  add(HAS.purging, it.purging, true);
  const { journalExpiresAtMs } = it;
  add(HAS.journalExpiresAt, journalExpiresAtMs !== null, (journalExpiresAtMs ?? 0) - completedAtMs);
  add(HAS.completionIdMax, it.completionIdMax > 0, it.completionIdMax);
  add(HAS.input, sealed.input !== null, sealed.input);
  add(HAS.outcome, sealed.outcome !== null, sealed.outcome);
  add(HAS.journal, sealed.journal !== null, sealed.journal);
  all[1] = bits;
  return packValue(all);
}

const FIXED = 14;

function fixedFields(it: Invocation, completedAtMs: number, expiresAtMs: number): Plain[] {
  const { service, handler, key } = it.target;
  return [
    SEALED,
    0, // the bits, once they are known
    it.epoch,
    bytesOf(it.tag),
    KINDS.indexOf(it.serviceKind) * MODES.length + MODES.indexOf(it.mode),
    service,
    handler,
    key,
    it.deployment,
    it.attempts,
    it.commands,
    it.deliveries,
    it.createdAtMs,
    completedAtMs - it.createdAtMs,
    expiresAtMs - completedAtMs,
    spentOf(it),
  ];
}

type FixedFields = [
  epoch: number,
  tag: Uint8Array,
  kindAndMode: number,
  service: string,
  handler: string,
  key: string | null,
  deployment: string | null,
  attempts: number,
  commands: number,
  deliveries: number,
  createdAtMs: number,
  tookMs: number,
  keptMs: number,
  spentMs: number[] | null,
];

/** Of a row that `isSealed`. What is not in it is as at the beginning. */
export function decodeSealed(sequence: Sequence, row: Uint8Array): Invocation {
  const all = unpackValue(row);
  assert(Array.isArray(all) && all.length >= 2 + FIXED, "a sealed record of too few fields");
  const bits = all[1] as number; // written by encodeSealed, as all below
  const f = all.slice(2, 2 + FIXED) as FixedFields;
  let at = 2 + FIXED;
  const next = <T>(bit: number, otherwise: T): T =>
    (bits & bit) === 0 ? otherwise : (all[at++] as T);
  const [createdAtMs, completedAtMs] = [f[10], f[10] + f[11]];
  const since = (bit: number, ms: number): number | null => {
    const after = next<number | null>(bit, null);
    return after === null ? null : ms + after;
  };
  const startedAtMs = since(HAS.startedAt, createdAtMs);
  const idempotencyKey = next<string | null>(HAS.idempotencyKey, null);
  const parent = next<[number, number] | null>(HAS.parent, null);
  const scheduledForMs = since(HAS.scheduledFor, createdAtMs);
  const failures = next(HAS.failures, 0);
  const lastFailure = next<Plain[] | null>(HAS.lastFailure, null);
  const cancelledAt = next(HAS.cancelledAt, 0);
  const holdRequested = next(HAS.holdRequested, false);
  const purging = next(HAS.purging, false);
  const journalExpiresAtMs = since(HAS.journalExpiresAt, completedAtMs);
  const completionIdMax = next(HAS.completionIdMax, 0);
  const input = next<Uint8Array | null>(HAS.input, null);
  const outcome = next<Uint8Array | null>(HAS.outcome, null);
  const journal = next<Uint8Array | null>(HAS.journal, null);
  assert(at === all.length, "a sealed record has the fields that its bits say");
  return {
    sequence,
    epoch: f[0],
    tag: String.fromCharCode(...f[1]),
    target: { service: f[3], handler: f[4], key: f[5] },
    mode: MODES[f[2] % MODES.length] ?? broken(`mode ${f[2]} is unknown`),
    serviceKind: KINDS[Math.floor(f[2] / MODES.length)] ?? broken(`kind ${f[2]} is unknown`),
    createdAtMs,
    idempotencyKey,
    parent: parent && { sequence: parent[0], completionId: parent[1] },
    scheduledForMs,
    statusSinceMs: completedAtMs,
    deployment: f[6],
    attempts: f[7],
    failures,
    lastFailure: lastFailure && failureFrom(lastFailure),
    commands: f[8],
    deliveries: f[9],
    completionIdMax,
    holdRequested,
    cancelledAt,
    startedAtMs,
    completedAtMs,
    expiresAtMs: completedAtMs + f[12],
    spentMs: spentFrom(f[13]),
    purging,
    journalExpiresAtMs,
    sealed: { input, outcome, journal },
    // Of what has ended nobody asks for these. They stand here one by one: spread from a constant, with
    // fields added behind it, each record is an object of a new shape, and takes V8 a hundred times as long.
    seed: NO_SEED,
    status: "completed",
    nextAttemptAtMs: null,
    pending: 0,
    runs: 0,
    inboxOrder: 0,
    idleResumes: 0,
    waitsOnlyForOthers: false,
    failingSinceMs: null,
    losses: 0,
    journalBytes: 0,
    pauseReason: null,
    parked: false,
    signalsKept: 0,
    waitedFor: false,
    id: undefined,
    row: undefined,
    packed: undefined,
  };
}

/** Only what took time, each behind its place. */
function spentOf({ spentMs }: Invocation): Plain {
  const spent: number[] = [];
  for (let place = 0; place < SPENT_ON.length; place++) {
    const ms = spentMs[SPENT_ON[place] ?? "disk"];
    if (ms !== 0) spent.push(place, ms);
  }
  return spent.length === 0 ? null : spent;
}

function spentFrom(spent: readonly number[] | null): Invocation["spentMs"] {
  const spentMs = noTimeSpent();
  for (let at = 0; spent !== null && at < spent.length; at += 2) {
    const what = SPENT_ON[spent[at] ?? -1] ?? broken(`time spent on ${spent[at]}`);
    spentMs[what] = spent[at + 1] ?? 0;
  }
  return spentMs;
}

function failureOf({ failure, stack, command, atMs }: LastFailure): Plain {
  return [failureToPlain(failure), stack, command, atMs];
}

function failureFrom(plain: readonly Plain[]): LastFailure {
  const [failure, stack, command, atMs] = plain as [Plain, string, number | null, number];
  return { failure: failureFromPlain(failure), stack, command, atMs };
}
