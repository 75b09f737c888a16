/**
 * Every message of the protocol, at random: all that the types allow and a peer may say. One table
 * row per kind, so that the compiler misses a kind that was forgotten.
 */
import fc from "fast-check";
import type {
  Command,
  CommandKind,
  CompletionResult,
  Delivery,
  Header,
  ReplayEntry,
  RunRetryPolicy,
  Target,
} from "../../protocol/command.ts";
import type { Failure } from "../../protocol/failure.ts";
import {
  formatAwakeableId,
  formatInvocationId,
  SLOT_COUNT,
  type AwakeableId,
  type InvocationId,
  type InvocationIdParts,
} from "../../protocol/ids.ts";
import type {
  HandlerManifest,
  HandlerMode,
  Manifest,
  RetryPolicy,
  ServiceKind,
  ServiceManifest,
} from "../../protocol/manifest.ts";
import {
  PROTOCOL_VERSION,
  type RuntimeMessage,
  type WorkerMessage,
} from "../../protocol/message.ts";
import type { Payload, Result } from "../../protocol/payload.ts";

const U32_MAX = 2 ** 32 - 1;
const FRACTIONS = { noNaN: true, noDefaultInfinity: true, min: 0 };

export const anyU32: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: U32_MAX }),
);
export const anyOrdinal: fc.Arbitrary<number> = fc.integer({ min: 1, max: U32_MAX });
export const anyWhole: fc.Arbitrary<number> = fc.oneof(anyU32, fc.maxSafeNat());
const anyAmount = fc.oneof(anyWhole, fc.double(FRACTIONS)).map((it) => it + 0); // no -0

const anyShare = fc.double({ ...FRACTIONS, max: 1 }).map((it) => it + 0);

/** Any text without half surrogates; now and then long, or with a byte order mark in front. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.string({ unit: "binary", minLength: 60, maxLength: 300 }).map((it) => `\ufeff${it}`),
);
export const anyPayload: fc.Arbitrary<Payload> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.uint8Array({ minLength: 200, maxLength: 600 }),
);

const anyIdParts: fc.Arbitrary<InvocationIdParts> = fc.record({
  slot: fc.integer({ min: 0, max: SLOT_COUNT - 1 }),
  epoch: anyU32,
  sequence: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  tag: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((it) => String.fromCharCode(...it)),
});
export const anyInvocationId: fc.Arbitrary<InvocationId> = anyIdParts.map(formatInvocationId);
const anyAwakeableId: fc.Arbitrary<AwakeableId> = fc
  .record({ invocation: anyIdParts, completionId: anyOrdinal })
  .map(formatAwakeableId);

const orNull = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { nil: null });
const is = <const T>(value: T): fc.Arbitrary<T> => fc.constant(value);
const anyPair: fc.Arbitrary<Header> = fc.tuple(anyText, anyText);
const anyHeaders = fc.array(anyPair, { maxLength: 5 });
const anyMetadata: fc.Arbitrary<Record<string, string>> = fc
  .uniqueArray(anyPair, { selector: ([name]) => name, maxLength: 4 })
  .map((pairs): Record<string, string> => Object.fromEntries(pairs));

export const anyFailure: fc.Arbitrary<Failure> = fc
  .tuple(
    fc.record({ name: anyText, message: anyText, code: fc.integer({ min: 400, max: 599 }) }),
    anyMetadata,
  )
  .map(([base, metadata]) => (Object.keys(metadata).length === 0 ? base : { ...base, metadata }));

export const anyResult: fc.Arbitrary<Result> = fc.oneof(
  fc.record({ ok: is(true), value: anyPayload }),
  fc.record({ ok: is(false), failure: anyFailure }),
);

const anyTarget: fc.Arbitrary<Target> = fc.record({
  service: anyText,
  handler: anyText,
  key: orNull(anyText),
});

const anyRunRetry: fc.Arbitrary<RunRetryPolicy> = fc.record({
  initialIntervalMs: anyAmount,
  factor: anyAmount,
  maxIntervalMs: anyAmount,
  maxAttempts: orNull(anyU32),
  maxDurationMs: orNull(anyAmount),
  jitter: anyShare,
  onMaxAttempts: fc.constantFrom("fail", "pause"),
});

type Base = "kind" | "index" | "after" | "outside" | "name";
type Fields<K extends CommandKind> = {
  readonly [F in Exclude<keyof Extract<Command, { kind: K }>, Base>]: fc.Arbitrary<
    Extract<Command, { kind: K }>[F]
  >;
};

const key = anyText;
const completionId = anyOrdinal;
const called = {
  target: anyTarget,
  parameter: anyPayload,
  headers: anyHeaders,
  idempotencyKey: orNull(anyText),
};
const COMMANDS: { readonly [K in CommandKind]: Fields<K> } = {
  "get-state": { key, completionId },
  "get-state-here": { key, value: orNull(anyPayload) },
  "get-state-keys": { completionId },
  "get-state-keys-here": { keys: fc.array(anyText, { maxLength: 5 }) },
  "set-state": { key, value: anyPayload },
  "clear-state": { key },
  "clear-all-state": {},
  sleep: { durationMs: anyWhole, completionId },
  withdraw: { completionId },
  call: { ...called, completionId },
  send: { ...called, delayMs: anyWhole },
  "invocation-id": { of: anyU32, completionId },
  run: {
    completionId,
    retry: orNull(anyRunRetry),
    mode: fc.constantFrom("at-least-once", "at-most-once", "probe"),
  },
  awakeable: { completionId },
  "complete-awakeable": { awakeableId: anyAwakeableId, result: anyResult },
  "get-promise": { promise: anyText, completionId },
  "peek-promise": { promise: anyText, completionId },
  "complete-promise": { promise: anyText, result: anyResult, completionId },
  "await-signal": { signal: anyText },
  "send-signal": { invocationId: anyInvocationId, signal: anyText, result: anyResult },
  cancel: { invocationId: anyInvocationId },
  attach: { invocationId: anyInvocationId, completionId },
  date: { completionId },
  "date-here": { timeMs: anyWhole },
  patched: { patch: anyText },
};

export const COMMAND_KINDS: readonly CommandKind[] = Object.keys(COMMANDS) as CommandKind[]; // the table's own keys

export function anyCommandOf(kind: CommandKind): fc.Arbitrary<Command> {
  const base = { index: anyU32, after: anyU32, outside: fc.boolean(), name: anyText };
  // The fields of one row of the table belong to the kind of that row.
  return fc.record({ ...base, ...COMMANDS[kind], kind: is(kind) }) as fc.Arbitrary<Command>;
}

export const anyCommand: fc.Arbitrary<Command> = fc.oneof(...COMMAND_KINDS.map(anyCommandOf));

const COMPLETIONS: { readonly [K in CompletionResult["kind"]]: fc.Arbitrary<CompletionResult> } = {
  void: is({ kind: "void" }),
  value: fc.record({ kind: is("value"), value: anyPayload }),
  failure: fc.record({ kind: is("failure"), failure: anyFailure }),
  proposed: is({ kind: "proposed" }),
  "invocation-id": fc.record({ kind: is("invocation-id"), invocationId: anyInvocationId }),
  "state-keys": fc.record({
    kind: is("state-keys"),
    keys: fc.array(anyText, { maxLength: 5 }),
  }),
  time: fc.record({ kind: is("time"), timeMs: anyWhole }),
};

const DELIVERIES: { readonly [K in Delivery["kind"]]: fc.Arbitrary<Delivery> } = {
  completion: fc.record({
    kind: is("completion"),
    completionId,
    result: fc.oneof(...Object.values(COMPLETIONS)),
  }),
  signal: fc.record({ kind: is("signal"), signal: anyText, result: anyResult }),
  cancellation: is({ kind: "cancellation" }),
};
export const anyDelivery: fc.Arbitrary<Delivery> = fc.oneof(...Object.values(DELIVERIES));

const anyReplayEntry: fc.Arbitrary<ReplayEntry> = fc.oneof(
  fc.record({ kind: is("command"), command: anyCommand }),
  fc.record({ kind: is("delivery"), delivery: anyDelivery }),
);

const anyRetryPolicy: fc.Arbitrary<RetryPolicy> = fc.record({
  initialIntervalMs: anyAmount,
  factor: anyAmount,
  maxIntervalMs: anyAmount,
  maxAttempts: orNull(anyU32),
  maxDurationMs: orNull(anyAmount),
  jitter: anyShare,
  onMaxAttempts: fc.constantFrom("pause", "kill"),
});

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
const anyName = (more: string): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(...LETTERS),
      fc.string({ unit: fc.constantFrom(...`${LETTERS}0123456789${more}`), maxLength: 20 }),
    )
    .map(([first, rest]) => first + rest);

function anyHandler(name: string, modes: readonly HandlerMode[]): fc.Arbitrary<HandlerManifest> {
  return fc.record({
    name: is(name),
    mode: fc.constantFrom(...modes),
    inputContentType: anyText,
    inputRequired: fc.boolean(),
    outputContentType: anyText,
    ingressPrivate: fc.boolean(),
    retry: orNull(anyRetryPolicy),
    inactivityTimeoutMs: orNull(anyAmount),
    idempotencyRetentionMs: orNull(anyAmount),
    journalRetentionMs: orNull(anyAmount),
    workflowRetentionMs: orNull(anyAmount),
    lazyState: fc.boolean(),
    description: anyText,
    metadata: anyMetadata,
  });
}

function anyHandlers(kind: ServiceKind): fc.Arbitrary<HandlerManifest[]> {
  const modes: Record<ServiceKind, readonly HandlerMode[]> = {
    service: ["stateless"],
    object: ["exclusive", "shared"],
    workflow: ["shared"],
  };
  const minLength = kind === "workflow" ? 0 : 1;
  const names = fc.uniqueArray(anyName(""), { minLength, maxLength: 3 });
  const others = names.chain((all) =>
    fc.tuple(...all.filter((it) => it !== "run").map((name) => anyHandler(name, modes[kind]))),
  );
  return kind === "workflow"
    ? fc.tuple(anyHandler("run", ["exclusive"]), others).map(([run, rest]) => [run, ...rest])
    : others.filter((all) => all.length > 0);
}

function anyService(name: string): fc.Arbitrary<ServiceManifest> {
  return fc.constantFrom<ServiceKind>("service", "object", "workflow").chain((kind) =>
    fc.record({
      name: is(name),
      kind: is(kind),
      handlers: anyHandlers(kind),
      description: anyText,
      metadata: anyMetadata,
    }),
  );
}

export const anyManifest: fc.Arbitrary<Manifest> = fc
  .uniqueArray(anyName(".-"), { maxLength: 3 })
  .chain((names) => fc.tuple(...names.map(anyService)))
  .map((services) => ({ services }));

const attempt = anyOrdinal;
const command = anyU32;
const retryAfterMs = orNull(anyWhole);
const aTry = { attempt, command, try: anyOrdinal };

type Kinds<M extends { kind: string }> = {
  readonly [K in M["kind"]]: fc.Arbitrary<Extract<M, { kind: K }>>;
};

export const WORKER_MESSAGES: Kinds<WorkerMessage> = {
  hello: fc.record({
    kind: is("hello"),
    protocol: is(PROTOCOL_VERSION),
    version: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 40 }),
    concurrency: anyOrdinal,
    sdk: fc.string({ unit: "grapheme-ascii", maxLength: 40 }),
    manifest: anyManifest,
    followersMax: anyU32,
  }),
  command: fc.record({ kind: is("command"), attempt, command: anyCommand }),
  "run-result": fc.record({
    kind: is("run-result"),
    ...aTry,
    result: anyResult,
    deliveries: orNull(anyU32),
  }),
  "run-failed": fc.record({ kind: is("run-failed"), ...aTry, failure: anyFailure, retryAfterMs }),
  end: fc.record({ kind: is("end"), attempt, result: anyResult }),
  fail: fc.record({
    kind: is("fail"),
    attempt,
    failure: anyFailure,
    stack: anyText,
    command: orNull(command),
    retryAfterMs,
  }),
  "run-not-done": fc.record({ kind: is("run-not-done"), ...aTry }),
  idle: fc.record({ kind: is("idle"), attempt, deliveries: anyU32 }),
  suspend: fc.record({ kind: is("suspend"), attempt, deliveries: anyU32 }),
  drain: is({ kind: "drain" }),
};

const anyFollower = fc.record({
  attempt,
  invocationId: anyInvocationId,
  handler: anyText,
  seed: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  createdAtMs: anyWhole,
  headers: anyHeaders,
  idempotencyKey: orNull(anyText),
  input: anyPayload,
});

export const RUNTIME_MESSAGES: Kinds<RuntimeMessage> = {
  welcome: fc.record({
    kind: is("welcome"),
    protocol: anyU32,
    epoch: anyU32,
    connection: anyWhole,
    inactivityTimeoutMs: anyWhole,
    frameBytesMax: anyU32,
    payloadBytesMax: anyU32,
  }),
  refused: fc.record({ kind: is("refused"), code: anyU32, reason: anyText }),
  start: fc.record({
    kind: is("start"),
    attempt,
    invocationId: anyInvocationId,
    target: anyTarget,
    attemptNumber: anyOrdinal,
    seed: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    createdAtMs: anyWhole,
    headers: anyHeaders,
    idempotencyKey: orNull(anyText),
    input: anyPayload,
    state: fc.record({
      complete: fc.boolean(),
      entries: fc.array(fc.tuple(anyText, anyPayload), { maxLength: 4 }),
    }),
    commandCount: anyU32,
    deliveryCount: anyU32,
    followers: fc.array(anyFollower, { maxLength: 3 }),
  }),
  replay: fc.record({
    kind: is("replay"),
    attempt,
    entries: fc.array(anyReplayEntry, { maxLength: 6 }),
  }),
  deliver: fc.record({ kind: is("deliver"), attempt, delivery: anyDelivery }),
  go: fc.record({ kind: is("go"), ...aTry, probe: fc.boolean() }),
  abort: fc.record({ kind: is("abort"), attempt, reason: anyText }),
  ack: fc.record({ kind: is("ack"), upTo: anyWhole }),
  "make-room": fc.record({ kind: is("make-room"), attempts: anyU32 }),
  state: fc.record({
    kind: is("state"),
    attempt,
    entries: fc.array(fc.tuple(anyText, anyPayload), { maxLength: 4 }),
  }),
};

export const anyWorkerMessage: fc.Arbitrary<WorkerMessage> = fc.oneof(
  ...Object.values<fc.Arbitrary<WorkerMessage>>(WORKER_MESSAGES),
);
export const anyRuntimeMessage: fc.Arbitrary<RuntimeMessage> = fc.oneof(
  ...Object.values<fc.Arbitrary<RuntimeMessage>>(RUNTIME_MESSAGES),
);
