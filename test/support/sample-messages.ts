/** One message of every kind, and one command of every kind, for the golden vectors. */
import type { Command } from "../../protocol/command.ts";
import { formatAwakeableId, formatInvocationId } from "../../protocol/ids.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import { bytes, handler, serviceOf } from "./core-harness.ts";

const tag = "\x01\x02\x03\x04\x05\x06\x07\x08";
const invocation = { slot: 1, epoch: 2, sequence: 3, tag };
export const INVOCATION_ID = formatInvocationId(invocation);
export const AWAKEABLE_ID = formatAwakeableId({ invocation, completionId: 4 });
const target = { service: "cart", handler: "add", key: "ann" };
const failure = { name: "TerminalError", message: "no", code: 418, metadata: { why: "tea" } };
const value = { ok: true, value: bytes("42") } as const;
const call = { target, parameter: bytes("1"), headers: [["a", "b"]], idempotencyKey: "k" } as const;
const retry = {
  initialIntervalMs: 50,
  factor: 2,
  maxIntervalMs: 10_000,
  maxAttempts: 3,
  maxDurationMs: null,
  jitter: 0.2,
  onMaxAttempts: "fail",
} as const;

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
const bodies: readonly DistributiveOmit<Command, "index" | "after" | "outside" | "name">[] = [
  { kind: "get-state", key: "total", completionId: 1 },
  { kind: "get-state-here", key: "total", value: bytes("7") },
  { kind: "get-state-here", key: "none", value: null },
  { kind: "get-state-keys", completionId: 2 },
  { kind: "get-state-keys-here", keys: ["a", "b"] },
  { kind: "set-state", key: "total", value: bytes("8") },
  { kind: "clear-state", key: "total" },
  { kind: "clear-all-state" },
  { kind: "sleep", durationMs: 86_400_000, completionId: 3 },
  { kind: "withdraw", completionId: 3 },
  { kind: "call", ...call, completionId: 4 },
  { kind: "send", ...call, delayMs: 1_000 },
  { kind: "invocation-id", of: 10, completionId: 5 },
  { kind: "run", mode: "at-least-once", completionId: 6, retry: null },
  { kind: "run", mode: "probe", completionId: 7, retry },
  { kind: "awakeable", completionId: 8 },
  { kind: "complete-awakeable", awakeableId: AWAKEABLE_ID, result: value },
  { kind: "get-promise", promise: "p", completionId: 9 },
  { kind: "peek-promise", promise: "p", completionId: 10 },
  { kind: "complete-promise", promise: "p", result: { ok: false, failure }, completionId: 11 },
  { kind: "await-signal", signal: "s" },
  { kind: "send-signal", invocationId: INVOCATION_ID, signal: "s", result: value },
  { kind: "cancel", invocationId: INVOCATION_ID },
  { kind: "attach", invocationId: INVOCATION_ID, completionId: 12 },
  { kind: "date", completionId: 13 },
  { kind: "date-here", timeMs: 1_795_000_000_000 },
  { kind: "patched", patch: "new-prices" },
];

const commands = bodies.map((body, index): Command => {
  return { ...body, index, after: 2, outside: index % 2 === 1, name: "label" };
});

const manifest = { services: [serviceOf("cart", "object", [handler("add", "exclusive")])] };

export const WORKER_SAMPLES: readonly WorkerMessage[] = [
  {
    kind: "hello",
    protocol: 1,
    version: "dev",
    concurrency: 100,
    sdk: "sample",
    manifest,
    followersMax: 32,
  },
  ...commands.map((command) => ({ kind: "command", attempt: 1, command }) as const),
  { kind: "run-result", attempt: 1, command: 13, try: 1, result: value, deliveries: null },
  {
    kind: "run-result",
    attempt: 1,
    command: 13,
    try: 1,
    result: { ok: false, failure },
    deliveries: 7,
  },
  { kind: "run-failed", attempt: 1, command: 13, try: 1, failure, retryAfterMs: 5_000 },
  { kind: "end", attempt: 1, result: value },
  { kind: "fail", attempt: 1, failure, stack: "Error: no", command: 13, retryAfterMs: null },
  { kind: "run-not-done", attempt: 1, command: 13, try: 2 },
  { kind: "idle", attempt: 1, deliveries: 2 },
  { kind: "suspend", attempt: 1, deliveries: 2 },
  { kind: "drain" },
];

const completion = (result: object) =>
  ({
    kind: "deliver",
    attempt: 1,
    delivery: { kind: "completion", completionId: 1, result },
  }) as RuntimeMessage;

export const RUNTIME_SAMPLES: readonly RuntimeMessage[] = [
  {
    kind: "welcome",
    protocol: 1,
    epoch: 3,
    connection: 1,
    inactivityTimeoutMs: 60_000,
    frameBytesMax: 1_048_576,
    payloadBytesMax: 10_485_760,
  },
  { kind: "refused", code: 4409, reason: "the name is taken" },
  {
    kind: "start",
    attempt: 1,
    invocationId: INVOCATION_ID,
    target,
    attemptNumber: 2,
    seed: bytes(tag + tag),
    createdAtMs: 1_795_000_000_000,
    headers: [["content-type", "application/json"]],
    idempotencyKey: null,
    input: bytes("1"),
    state: { complete: true, entries: [["total", bytes("7")]] },
    commandCount: 1,
    deliveryCount: 1,
    followers: [],
  },
  {
    kind: "start",
    attempt: 2,
    invocationId: INVOCATION_ID,
    target,
    attemptNumber: 1,
    seed: bytes(tag + tag),
    createdAtMs: 1_795_000_000_000,
    headers: [],
    idempotencyKey: null,
    input: bytes("1"),
    state: { complete: true, entries: [] },
    commandCount: 0,
    deliveryCount: 0,
    followers: [
      {
        attempt: 3,
        invocationId: INVOCATION_ID,
        handler: "remove",
        seed: bytes(tag + tag),
        createdAtMs: 1_795_000_000_001,
        headers: [["content-type", "application/json"]],
        idempotencyKey: "k",
        input: bytes("2"),
      },
    ],
  },
  {
    kind: "replay",
    attempt: 1,
    entries: [
      {
        kind: "command",
        command: { kind: "date", index: 0, after: 0, outside: false, name: "", completionId: 1 },
      },
      {
        kind: "delivery",
        delivery: { kind: "completion", completionId: 1, result: { kind: "time", timeMs: 5 } },
      },
    ],
  },
  completion({ kind: "void" }),
  completion({ kind: "value", value: bytes("42") }),
  completion({ kind: "failure", failure }),
  completion({ kind: "proposed" }),
  completion({ kind: "invocation-id", invocationId: INVOCATION_ID }),
  completion({ kind: "state-keys", keys: ["a", "b"] }),
  completion({ kind: "time", timeMs: 5 }),
  { kind: "deliver", attempt: 1, delivery: { kind: "signal", signal: "s", result: value } },
  { kind: "deliver", attempt: 1, delivery: { kind: "cancellation" } },
  { kind: "go", attempt: 1, command: 13, try: 2, probe: true },
  { kind: "abort", attempt: 1, reason: "killed" },
  { kind: "ack", upTo: 17 },
  { kind: "make-room", attempts: 1 },
  { kind: "state", attempt: 1, entries: [["total", bytes("3")]] },
];
