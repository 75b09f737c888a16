/** What stands in a row reads back as it was, whatever it is; equal values make equal rows. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  noTimeSpent,
  SPENT_ON,
  type Invocation,
  type SpentMs,
  type Status,
} from "../../runtime/core/invocation.ts";
import * as rows from "../../runtime/core/rows.ts";
import {
  packInput,
  packJournal,
  packKept,
  packOutcome,
  unpackInput,
  unpackJournal,
  unpackOutcome,
} from "../../runtime/core/sealed-history.ts";
import { isSealed } from "../../runtime/core/sealed-record.ts";
import {
  anyCommandOf,
  anyDelivery,
  anyFailure,
  anyManifest,
  anyPayload,
  anyResult,
  anyText,
  anyU32,
  anyWhole,
  COMMAND_KINDS,
} from "../support/arbitrary-messages.ts";

/** As text: to compare arrays member by member takes more than all the rest. */
const hexOf = (row: Uint8Array): string => Buffer.from(row).toString("hex");
const orNull = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { nil: null });
const anySequence = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const anyBytes = (length: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((it) => String.fromCharCode(...it));
const anyTarget = fc.record({ service: anyText, handler: anyText, key: orNull(anyText) });
const anyRetry = fc.record({
  initialIntervalMs: anyWhole,
  factor: fc.double({ min: 0.1, max: 1e9, noNaN: true }),
  maxIntervalMs: anyWhole,
  maxAttempts: orNull(anyU32),
  maxDurationMs: orNull(anyWhole),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  onMaxAttempts: fc.constantFrom("fail" as const, "pause" as const),
});

const anyInvocation: fc.Arbitrary<Invocation> = fc.record({
  sequence: anySequence,
  epoch: anyU32,
  tag: anyBytes(8),
  seed: anyBytes(16),
  target: anyTarget,
  mode: fc.constantFrom<Invocation["mode"]>("stateless", "exclusive", "shared"),
  serviceKind: fc.constantFrom<Invocation["serviceKind"]>("service", "object", "workflow"),
  createdAtMs: anyWhole,
  idempotencyKey: orNull(anyText),
  parent: orNull(fc.record({ sequence: anySequence, completionId: anyU32 })),
  scheduledForMs: orNull(anyWhole),
  status: fc.constantFrom<Status>("scheduled", "inboxed", "ready", "running", "suspended", "backing-off", "paused"), // prettier-ignore
  statusSinceMs: anyWhole,
  deployment: orNull(anyText),
  attempts: anyU32,
  failures: anyU32,
  lastFailure: orNull(
    fc.record({ failure: anyFailure, stack: anyText, command: orNull(anyU32), atMs: anyWhole }),
  ),
  nextAttemptAtMs: orNull(anyWhole),
  commands: anyU32,
  deliveries: anyU32,
  completionIdMax: anyU32,
  pending: anyU32,
  runs: anyU32,
  cancelledAt: anyU32,
  inboxOrder: anySequence,
  idleResumes: anyU32,
  startedAtMs: orNull(anyWhole),
  completedAtMs: orNull(anyWhole),
  expiresAtMs: orNull(anyWhole),
  holdRequested: fc.boolean(),
  waitsOnlyForOthers: fc.boolean(),
  failingSinceMs: orNull(anyWhole),
  losses: anyU32,
  journalBytes: anyWhole,
  spentMs: fc.tuple(...SPENT_ON.map(() => anyWhole)).map(spentOf),
  pauseReason: fc.constantFrom("asked" as const, "exhausted" as const, "damaged" as const, null),
  parked: fc.boolean(),
  purging: fc.boolean(),
  journalExpiresAtMs: orNull(anyWhole),
  signalsKept: fc.integer(),
  waitedFor: fc.boolean(),
  plainRuns: fc.array(fc.record({ command: anyU32, entry: anyU32 }), { maxLength: 3 }),
  lag: fc.constant(0),
  told: fc.constant(0),
  id: fc.constant(undefined),
  inRecord: fc.option(
    fc.record({
      input: orNull(anyPayload),
      outcome: fc.constant(null),
      journal: orNull(anyPayload),
    }),
    { nil: undefined },
  ),
  row: fc.constant(undefined),
  changed: fc.constant(false),
  packed: fc.constant(undefined),
});

function spentOf(values: readonly number[]): SpentMs {
  const spentMs = noTimeSpent();
  SPENT_ON.forEach((what, i) => {
    spentMs[what] = values[i] ?? 0;
  });
  return spentMs;
}

const anyPending: fc.Arbitrary<rows.PendingRow> = fc.oneof(
  fc.record({ kind: fc.constant("sleep" as const), dueAtMs: anyWhole, entry: anyU32 }),
  fc.record({ kind: fc.constant("call" as const), child: anySequence, entry: anyU32 }),
  fc.record({ kind: fc.constant("attach" as const), target: anySequence, entry: anyU32 }),
  fc.record({ kind: fc.constant("promise" as const), name: anyText, entry: anyU32 }),
  fc.record({ kind: fc.constant("awakeable" as const), entry: anyU32 }),
);

const anyRun: fc.Arbitrary<rows.Run> = fc.record({
  completionId: anyU32,
  name: anyText,
  retry: orNull(anyRetry),
  tries: anyU32,
  failures: anyU32,
  firstTryAtMs: orNull(anyWhole),
  nextTryAtMs: orNull(anyWhole),
  lastFailure: orNull(anyFailure),
  cancelled: fc.boolean(),
  mode: fc.constantFrom("at-least-once" as const, "at-most-once" as const, "probe" as const),
  mayHaveHappened: fc.boolean(),
  failingSinceMs: orNull(anyWhole),
});

const anyCommand = fc.oneof(...COMMAND_KINDS.map(anyCommandOf));
const anyEntry: fc.Arbitrary<rows.JournalEntry> = fc.oneof(
  fc.record({
    kind: fc.constant("command" as const),
    command: anyCommand,
    atMs: anyWhole,
    child: orNull(anySequence),
  }),
  fc.record({ kind: fc.constant("delivery" as const), delivery: anyDelivery, atMs: anyWhole }),
);

/** What is not kept of an invocation that has ended. */
const OPEN_ONLY = new Set(
  (
    "seed nextAttemptAtMs pending runs inboxOrder idleResumes waitsOnlyForOthers failingSinceMs " +
    "losses journalBytes pauseReason parked signalsKept waitedFor plainRuns id row"
  ).split(" "),
);

const anyHeaderName = fc.oneof(
  anyText,
  fc.constantFrom("content-type", "x-restate-ingress-path", "tracestate", "x-other"),
);
const anyHeaderValue = fc.oneof(
  anyText,
  fc.constantFrom("application/json", "/counter/a/add", "/counter/a/add/send", "0"),
);

describe("a row reads back as it was", () => {
  function roundTrip<T>(
    values: fc.Arbitrary<T>,
    encode: (value: T) => Uint8Array,
    decode: (row: Uint8Array, value: T) => T,
  ): void {
    fc.assert(
      fc.property(values, (value) => {
        const row = encode(value);
        expect(decode(row, value)).toEqual(value);
        expect(hexOf(encode(decode(row, value)))).toBe(hexOf(row));
      }),
      { numRuns: 300 },
    );
  }

  test("of an invocation that is open", () => {
    // A copy of it: what is packed once is kept with the one that was written.
    const encode = (it: Invocation): Uint8Array => rows.encodeInvocation({ ...it });
    roundTrip(anyInvocation, encode, (row, { sequence }) => {
      const { told, ...read } = rows.decodeInvocation(sequence, row);
      expect(told).toBe(read.commands + read.deliveries);
      return { ...read, told: 0 };
    });
  });
  test("of an invocation that is sealed, but for what only open ones use", () => {
    const part = orNull(anyPayload);
    const parts = fc.record({ input: part, outcome: part, journal: part });
    fc.assert(
      fc.property(anyInvocation, anyWhole, anyWhole, parts, (open, at, expires, inRecord) => {
        const ends = { completedAtMs: at, statusSinceMs: at, expiresAtMs: expires };
        const it = { ...open, ...ends, status: "completed", inRecord } as const;
        const row = rows.encodeInvocation(it);
        const back = rows.decodeInvocation(it.sequence, row);
        expect(hexOf(rows.encodeInvocation(back))).toBe(hexOf(row));
        expect(isSealed(row) && !isSealed(rows.encodeInvocation(open))).toBe(true);
        const rest = Object.entries(it).filter(([name]) => !OPEN_ONLY.has(name));
        expect(back).toMatchObject(Object.fromEntries(rest));
      }),
      { numRuns: 300 },
    );
  });
  test("of what is sealed of a history", () => {
    const headers = fc.array(fc.tuple(anyHeaderName, anyHeaderValue), { maxLength: 5 });
    const target = { service: "counter", key: "a", handler: "add" };
    roundTrip<rows.InputRow>(
      fc.record({ parameter: anyPayload, headers }),
      (input) => packInput(input, target),
      (part) => unpackInput(part, target),
    );
    const outcomes = fc.record({ result: anyResult, contentType: anyHeaderValue });
    roundTrip(outcomes, packOutcome, unpackOutcome);
    fc.assert(
      fc.property(anyInvocation, fc.array(anyEntry, { maxLength: 8 }), (it, entries) => {
        const journal = entries.map(rows.encodeJournalEntry);
        const packed = packJournal(journal, it);
        expect(unpackJournal(packed, it)).toEqual(journal);
        // What an attempt has kept gives the same bytes.
        const kept = entries.map((entry, at) => ({
          row: journal[at] ?? new Uint8Array(0),
          atMs: entry.atMs,
          child: entry.kind === "command" ? entry.child : undefined,
          joined: false,
        }));
        expect(hexOf(packKept(kept, it))).toBe(hexOf(packed));
      }),
      { numRuns: 300 },
    );
  });
  test("of an input", () => {
    const headers = fc.array(fc.tuple(anyText, anyText), { maxLength: 5 });
    roundTrip(fc.record({ parameter: anyPayload, headers }), rows.encodeInput, rows.decodeInput);
  });
  test("of an outcome", () => {
    const outcomes = fc.record({ result: anyResult, contentType: anyText });
    roundTrip(outcomes, rows.encodeOutcome, rows.decodeOutcome);
  });
  test("of a journal entry", () => {
    roundTrip(anyEntry, rows.encodeJournalEntry, rows.decodeJournalEntry);
  });
  test("of what is outstanding", () => {
    const encode = (it: rows.PendingRow): Uint8Array => rows.encodePending(it, it.entry);
    roundTrip(anyPending, encode, rows.decodePending);
  });
  test("of a run", () => roundTrip(anyRun, rows.encodeRun, rows.decodeRun));
  test("of a lock", () => {
    const locks = fc.record({ holder: anySequence, waiting: anyU32, sinceMs: anyWhole });
    roundTrip(locks, rows.encodeLock, rows.decodeLock);
  });
  test("of a number and of a result", () => {
    roundTrip(anyWhole, rows.encodeNumber, rows.decodeNumber);
    roundTrip(anyResult, rows.encodeResult, rows.decodeResult);
  });
  test("of a deployment and of a service", () => {
    const deployments = fc.record({ version: anyText, createdAtMs: anyWhole, services: anyManifest.map((it) => it.services) }); // prettier-ignore
    roundTrip(deployments, rows.encodeDeployment, rows.decodeDeployment);
    const services = fc
      .tuple(anyText, anyManifest)
      .filter(([, manifest]) => manifest.services.length > 0)
      .map(
        ([
          version,
          {
            services: [first],
          },
        ]) => ({ version, manifest: first! }),
      ); // there is one
    roundTrip(services, rows.encodeService, rows.decodeService);
  });
});

test("a row of another kind, or with a field too few, is an error and no value", () => {
  const short = rows.encodeNumber(1);
  for (const decode of [
    rows.decodeInput,
    rows.decodeOutcome,
    rows.decodeRun,
    rows.decodeLock,
    rows.decodeDeployment,
  ]) {
    // prettier-ignore
    expect(() => decode(short)).toThrow(/fewer than/);
  }
  expect(() => rows.decodeInvocation(1, short)).toThrow(/fewer than/);
});
