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
import { noTimeSpent, SPENT_ON, type Invocation } from "./invocation.ts";
import { bytesOf, type Sequence } from "./keys.ts";
import { lastFailureFromPlain, lastFailureToPlain } from "./open-record.ts";

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
export interface HistoryInRecord {
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
  const { completedAtMs, expiresAtMs, createdAtMs, inRecord } = it;
  if (completedAtMs === null || expiresAtMs === null || inRecord === undefined) {
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
  add(HAS.lastFailure, lastFailure !== null, lastFailure && lastFailureToPlain(lastFailure));
  add(HAS.cancelledAt, it.cancelledAt > 0, it.cancelledAt);
  add(HAS.holdRequested, it.holdRequested, true);
  add(HAS.purging, it.purging, true);
  const { journalExpiresAtMs } = it;
  add(HAS.journalExpiresAt, journalExpiresAtMs !== null, (journalExpiresAtMs ?? 0) - completedAtMs);
  add(HAS.completionIdMax, it.completionIdMax > 0, it.completionIdMax);
  add(HAS.input, inRecord.input !== null, inRecord.input);
  add(HAS.outcome, inRecord.outcome !== null, inRecord.outcome);
  add(HAS.journal, inRecord.journal !== null, inRecord.journal);
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

/**
 * Of a row that `isSealed`. What is not in it is as at the beginning.
 *
 * Every field is written out: an object that begins with the spread of a constant is of a new shape each
 * time, and this one took V8 200 times as long (200 µs).
 */
export function decodeSealed(sequence: Sequence, row: Uint8Array): Invocation {
  const all = unpackValue(row);
  assert(Array.isArray(all) && all.length >= 2 + FIXED, "a sealed record of too few fields");
  const f = all.slice(2, 2 + FIXED) as FixedFields; // written by encodeSealed
  const [createdAtMs, completedAtMs] = [f[10], f[10] + f[11]];
  const has = optionalFields(all, createdAtMs, completedAtMs);
  return {
    sequence,
    epoch: f[0],
    tag: String.fromCharCode(...f[1]),
    target: { service: f[3], handler: f[4], key: f[5] },
    mode: MODES[f[2] % MODES.length] ?? broken(`mode ${f[2]} is unknown`),
    serviceKind: KINDS[Math.floor(f[2] / MODES.length)] ?? broken(`kind ${f[2]} is unknown`),
    createdAtMs,
    idempotencyKey: has.idempotencyKey,
    parent: has.parent && { sequence: has.parent[0], completionId: has.parent[1] },
    scheduledForMs: has.scheduledForMs,
    statusSinceMs: completedAtMs,
    deployment: f[6],
    attempts: f[7],
    failures: has.failures,
    lastFailure: has.lastFailure && lastFailureFromPlain(has.lastFailure),
    commands: f[8],
    deliveries: f[9],
    completionIdMax: has.completionIdMax,
    holdRequested: has.holdRequested,
    cancelledAt: has.cancelledAt,
    startedAtMs: has.startedAtMs,
    completedAtMs,
    expiresAtMs: completedAtMs + f[12],
    spentMs: spentFrom(f[13]),
    purging: has.purging,
    journalExpiresAtMs: has.journalExpiresAtMs,
    inRecord: has.inRecord,
    // Of what has ended nobody asks for these.
    seed: NO_SEED,
    status: "completed",
    nextAttemptAtMs: null,
    pending: 0,
    runs: 0,
    plainRuns: [],
    lag: 0,
    told: 0,
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
    changed: false,
    row: undefined,
    packed: undefined,
  };
}

type OptionalFields = Pick<
  Invocation,
  | "startedAtMs"
  | "idempotencyKey"
  | "scheduledForMs"
  | "failures"
  | "cancelledAt"
  | "holdRequested"
  | "purging"
  | "journalExpiresAtMs"
  | "completionIdMax"
> & {
  readonly parent: [number, number] | null;
  readonly lastFailure: Plain[] | null;
  readonly inRecord: HistoryInRecord;
};

function optionalFields(
  all: readonly Plain[],
  createdAtMs: number,
  completedAtMs: number,
): OptionalFields {
  const bits = all[1] as number; // written by encodeSealed, as all below
  let at = 2 + FIXED;
  const next = <T>(bit: number, otherwise: T): T =>
    (bits & bit) === 0 ? otherwise : (all[at++] as T);
  const since = (bit: number, ms: number): number | null => {
    const after = next<number | null>(bit, null);
    return after === null ? null : ms + after;
  };
  // In the order in which they stand there.
  const has: OptionalFields = {
    startedAtMs: since(HAS.startedAt, createdAtMs),
    idempotencyKey: next<string | null>(HAS.idempotencyKey, null),
    parent: next<[number, number] | null>(HAS.parent, null),
    scheduledForMs: since(HAS.scheduledFor, createdAtMs),
    failures: next(HAS.failures, 0),
    lastFailure: next<Plain[] | null>(HAS.lastFailure, null),
    cancelledAt: next(HAS.cancelledAt, 0),
    holdRequested: next(HAS.holdRequested, false),
    purging: next(HAS.purging, false),
    journalExpiresAtMs: since(HAS.journalExpiresAt, completedAtMs),
    completionIdMax: next(HAS.completionIdMax, 0),
    inRecord: {
      input: next<Uint8Array | null>(HAS.input, null),
      outcome: next<Uint8Array | null>(HAS.outcome, null),
      journal: next<Uint8Array | null>(HAS.journal, null),
    },
  };
  assert(at === all.length, "a sealed record has the fields that its bits say");
  return has;
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
