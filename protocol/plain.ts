/**
 * Commands, deliveries, results and failures as plain arrays, and back. The same form stands on the
 * wire and in the journal's rows. PROTOCOL.md lists the fields; they only ever grow at the end, under
 * another protocol version.
 */
import { unreachable } from "./assert.ts";
import type {
  Command,
  CommandKind,
  CompletionResult,
  Delivery,
  Header,
  ReplayEntry,
  RunMode,
  RunRetryPolicy,
  Target,
} from "./command.ts";
import { isFailureCode, type Failure } from "./failure.ts";
import { Fields, ProtocolError, type Plain } from "./fields.ts";
import { parseAwakeableId, parseInvocationId, type AwakeableId, type InvocationId } from "./ids.ts";
import type { Result } from "./payload.ts";
import { HEADERS_MAX, METADATA_MAX } from "./wire-limits.ts";

const STATE_KEYS_MAX = 1_000_000;

export function failureToPlain({ name, message, code, metadata }: Failure): Plain {
  const pairs = Object.entries(metadata ?? {}).map(([key, value]): Plain => [key, value]);
  return [name, message, code, pairs];
}

export function failureFromPlain(plain: Plain): Failure {
  const fields = new Fields(plain, "a failure");
  const base = { name: fields.string(), message: fields.string(), code: fields.u32() };
  if (!isFailureCode(base.code)) {
    throw new ProtocolError("the code of a failure is an HTTP status from 400 to 599");
  }
  const pairs = fields.list(readPair, METADATA_MAX);
  fields.end();
  if (pairs.length === 0) return base;
  // `fromEntries` defines own members, "__proto__" among them: nothing reaches a prototype.
  const metadata = Object.fromEntries(pairs);
  if (Object.keys(metadata).length !== pairs.length) {
    throw new ProtocolError("a failure names the same metadata twice");
  }
  return { ...base, metadata };
}

export function resultToPlain(result: Result): Plain {
  return result.ok ? [true, result.value] : [false, failureToPlain(result.failure)];
}

export function resultFromPlain(plain: Plain): Result {
  const fields = new Fields(plain, "a result");
  const result: Result = fields.boolean()
    ? { ok: true, value: fields.bytes() }
    : { ok: false, failure: failureFromPlain(fields.next()) };
  fields.end();
  return result;
}

export function deliveryToPlain(delivery: Delivery): Plain {
  switch (delivery.kind) {
    case "completion":
      return [1, delivery.completionId, ...completionToPlain(delivery.result)];
    case "signal":
      return [2, delivery.signal, resultToPlain(delivery.result)];
    case "cancellation":
      return [3];
  }
}

export function deliveryFromPlain(plain: Plain): Delivery {
  const fields = new Fields(plain, "a delivery");
  const delivery = readDelivery(fields);
  fields.end();
  return delivery;
}

function readDelivery(fields: Fields): Delivery {
  const kind = fields.u32();
  switch (kind) {
    case 1: {
      const completionId = fields.ordinal();
      return { kind: "completion", completionId, result: readCompletion(fields) };
    }
    case 2:
      return {
        kind: "signal",
        signal: fields.string(),
        result: resultFromPlain(fields.next()),
      };
    case 3:
      return { kind: "cancellation" };
    default:
      throw new ProtocolError(`a delivery of the unknown kind ${kind}`);
  }
}

function completionToPlain(result: CompletionResult): Plain[] {
  switch (result.kind) {
    case "void":
      return [0];
    case "value":
      return [1, result.value];
    case "failure":
      return [2, failureToPlain(result.failure)];
    case "proposed":
      return [3];
    case "invocation-id":
      return [4, result.invocationId];
    case "state-keys":
      return [5, [...result.keys]];
    case "time":
      return [6, result.timeMs];
  }
}

function readCompletion(fields: Fields): CompletionResult {
  const kind = fields.u32();
  switch (kind) {
    case 0:
      return { kind: "void" };
    case 1:
      return { kind: "value", value: fields.bytes() };
    case 2:
      return { kind: "failure", failure: failureFromPlain(fields.next()) };
    case 3:
      return { kind: "proposed" };
    case 4:
      return { kind: "invocation-id", invocationId: readInvocationId(fields) };
    case 5:
      return { kind: "state-keys", keys: fields.list(readString, STATE_KEYS_MAX) };
    case 6:
      return { kind: "time", timeMs: fields.whole() };
    default:
      throw new ProtocolError(`a completion of the unknown kind ${kind}`);
  }
}

export const REPLAY_ENTRY_CODE = { command: 1, delivery: 2 } as const;

export function replayEntryToPlain(entry: ReplayEntry): Plain {
  return entry.kind === "command"
    ? [REPLAY_ENTRY_CODE.command, commandToPlain(entry.command)]
    : [REPLAY_ENTRY_CODE.delivery, deliveryToPlain(entry.delivery)];
}

export function replayEntryFromPlain(plain: Plain): ReplayEntry {
  const fields = new Fields(plain, "a replay entry");
  const kind = fields.u32();
  const value = fields.next();
  fields.end();
  if (kind === REPLAY_ENTRY_CODE.command) {
    return { kind: "command", command: commandFromPlain(value) };
  }
  if (kind === REPLAY_ENTRY_CODE.delivery) {
    return { kind: "delivery", delivery: deliveryFromPlain(value) };
  }
  throw new ProtocolError(`a replay entry of the unknown kind ${kind}`);
}

/** Numbers of the command kinds: once given, never changed. */
const COMMAND_CODES: Readonly<Record<CommandKind, number>> = {
  "get-state": 1,
  "get-state-here": 2,
  "get-state-keys": 3,
  "get-state-keys-here": 4,
  "set-state": 5,
  "clear-state": 6,
  "clear-all-state": 7,
  sleep: 8,
  withdraw: 9,
  call: 10,
  send: 11,
  "invocation-id": 12,
  run: 13,
  awakeable: 14,
  "complete-awakeable": 15,
  "get-promise": 16,
  "peek-promise": 17,
  "complete-promise": 18,
  "await-signal": 19,
  "send-signal": 20,
  cancel: 21,
  attach: 22,
  date: 23,
  "date-here": 24,
  patched: 25,
};
/** The number of a run among the command kinds. */
export const RUN_CODE: number = COMMAND_CODES.run;

const COMMAND_KINDS = new Map(
  Object.entries(COMMAND_CODES).map(([kind, code]) => [code, kind as CommandKind]), // Object.entries loses the key type
);

export function commandToPlain(command: Command): Plain {
  const { kind, index, after, outside, name } = command;
  return [COMMAND_CODES[kind], index, after, outside, name, ...commandFields(command)];
}

function commandFields(command: Command): Plain[] {
  switch (command.kind) {
    case "get-state":
      return [command.key, command.completionId];
    case "get-state-here":
      return [command.key, command.value];
    case "get-state-keys-here":
      return [[...command.keys]];
    case "set-state":
      return [command.key, command.value];
    case "clear-state":
      return [command.key];
    case "clear-all-state":
      return [];
    case "sleep":
      return [command.durationMs, command.completionId];
    case "get-state-keys":
    case "withdraw":
    case "awakeable":
    case "date":
      return [command.completionId];
    case "call":
      return [...callFields(command), command.completionId];
    case "send":
      return [...callFields(command), command.delayMs];
    case "invocation-id":
      return [command.of, command.completionId];
    case "run":
      return [
        command.completionId,
        command.retry && retryToPlain(command.retry),
        runModeCode(command.mode),
      ];
    case "complete-awakeable":
      return [command.awakeableId, resultToPlain(command.result)];
    case "get-promise":
    case "peek-promise":
      return [command.promise, command.completionId];
    case "complete-promise":
      return [command.promise, resultToPlain(command.result), command.completionId];
    case "await-signal":
      return [command.signal];
    case "send-signal":
      return [command.invocationId, command.signal, resultToPlain(command.result)];
    case "cancel":
      return [command.invocationId];
    case "attach":
      return [command.invocationId, command.completionId];
    case "date-here":
      return [command.timeMs];
    case "patched":
      return [command.patch];
    default:
      return unreachable(command);
  }
}

type CallCommand = Command & { readonly kind: "call" | "send" };

function callFields({ target, parameter, headers, idempotencyKey }: CallCommand): Plain[] {
  return [targetToPlain(target), parameter, headersToPlain(headers), idempotencyKey];
}

export function commandFromPlain(plain: Plain): Command {
  const fields = new Fields(plain, "a command");
  const code = fields.u32();
  const kind = COMMAND_KINDS.get(code);
  if (kind === undefined) throw new ProtocolError(`a command of the unknown kind ${code}`);
  const base = {
    index: fields.u32(),
    after: fields.u32(),
    outside: fields.boolean(),
    name: fields.string(),
  };
  // Not by two spreads, which cost two microseconds: docs/performance.md.
  const command = Object.assign(base, readCommand(kind, fields));
  fields.end();
  return command;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type CommandBody = DistributiveOmit<Command, "index" | "after" | "outside" | "name">;

function readCommand(kind: CommandKind, fields: Fields): CommandBody {
  switch (kind) {
    case "get-state":
      return { kind, key: fields.string(), completionId: fields.ordinal() };
    case "get-state-here":
      return { kind, key: fields.string(), value: fields.orNull((it) => it.bytes()) };
    case "get-state-keys-here":
      return { kind, keys: fields.list(readString, STATE_KEYS_MAX) };
    case "set-state":
      return { kind, key: fields.string(), value: fields.bytes() };
    case "clear-state":
      return { kind, key: fields.string() };
    case "clear-all-state":
      return { kind };
    case "sleep":
      return { kind, durationMs: fields.whole(), completionId: fields.ordinal() };
    case "get-state-keys":
    case "withdraw":
    case "awakeable":
    case "date":
      return { kind, completionId: fields.ordinal() };
    case "call":
      return Object.assign(readCall(fields), { kind, completionId: fields.ordinal() });
    case "send":
      return Object.assign(readCall(fields), { kind, delayMs: fields.whole() });
    case "invocation-id":
      return { kind, of: fields.u32(), completionId: fields.ordinal() };
    case "run":
      return {
        kind,
        completionId: fields.ordinal(),
        retry: fields.orNull(readRetry),
        mode: readRunMode(fields),
      };
    default:
      return readOther(kind, fields);
  }
}

type OtherKind = Exclude<
  CommandKind,
  | `${"get" | "set" | "clear"}-state${string}`
  | "clear-all-state"
  | "sleep"
  | "withdraw"
  | "awakeable"
  | "date"
  | "call"
  | "send"
  | "invocation-id"
  | "run"
>;

/** The commands that reach other invocations and promises. */
function readOther(kind: OtherKind, fields: Fields): CommandBody {
  switch (kind) {
    case "complete-awakeable": {
      const awakeableId = readAwakeableId(fields);
      return { kind, awakeableId, result: resultFromPlain(fields.next()) };
    }
    case "get-promise":
    case "peek-promise":
      return { kind, promise: fields.string(), completionId: fields.ordinal() };
    case "complete-promise": {
      const promise = fields.string();
      const result = resultFromPlain(fields.next());
      return { kind, promise, result, completionId: fields.ordinal() };
    }
    case "await-signal":
      return { kind, signal: fields.string() };
    case "send-signal": {
      const invocationId = readInvocationId(fields);
      const signal = fields.string();
      return { kind, invocationId, signal, result: resultFromPlain(fields.next()) };
    }
    case "cancel":
      return { kind, invocationId: readInvocationId(fields) };
    case "attach":
      return { kind, invocationId: readInvocationId(fields), completionId: fields.ordinal() };
    case "date-here":
      return { kind, timeMs: fields.whole() };
    case "patched":
      return { kind, patch: fields.string() };
  }
}

function readCall(
  fields: Fields,
): Omit<
  CallCommand & { kind: "call" },
  "kind" | "completionId" | "index" | "after" | "outside" | "name"
> {
  return {
    target: targetFromPlain(fields.next()),
    parameter: fields.bytes(),
    headers: headersFromPlain(fields.next()),
    idempotencyKey: fields.orNull((it) => it.string()),
  };
}

export function targetToPlain({ service, handler, key }: Target): Plain {
  return [service, handler, key];
}

export function targetFromPlain(plain: Plain): Target {
  const fields = new Fields(plain, "a target");
  const target = {
    service: fields.string(),
    handler: fields.string(),
    key: fields.orNull((it) => it.string()),
  };
  fields.end();
  return target;
}

export function headersToPlain(headers: readonly Header[]): Plain {
  return headers.map(([name, value]): Plain => [name, value]);
}

export function headersFromPlain(plain: Plain): Header[] {
  return new Fields([plain], "headers").list(readPair, HEADERS_MAX);
}

function retryToPlain(it: RunRetryPolicy): Plain {
  return [
    it.initialIntervalMs,
    it.factor,
    it.maxIntervalMs,
    it.maxAttempts,
    it.maxDurationMs,
    it.jitter,
    it.onMaxAttempts === "pause",
  ];
}

function readRetry(outer: Fields): RunRetryPolicy {
  const fields = new Fields(outer.next(), "a retry policy");
  const retry = {
    initialIntervalMs: fields.amount(),
    factor: fields.amount(),
    maxIntervalMs: fields.amount(),
    maxAttempts: fields.orNull((it) => it.u32()),
    maxDurationMs: fields.orNull((it) => it.amount()),
    jitter: fields.amount(),
    onMaxAttempts: fields.boolean() ? ("pause" as const) : ("fail" as const),
  };
  fields.end();
  if (retry.jitter > 1) throw new ProtocolError("the jitter of a retry policy is above 1");
  return retry;
}

/** Their places are their numbers: only added to at the end. */
const RUN_MODES: readonly RunMode[] = ["at-least-once", "at-most-once", "probe"];

export function runModeCode(mode: RunMode): number {
  return RUN_MODES.indexOf(mode);
}

function readRunMode(fields: Fields): RunMode {
  const code = fields.u32();
  const mode = RUN_MODES[code];
  if (mode === undefined) throw new ProtocolError(`a run of the unknown mode ${code}`);
  return mode;
}

function readPair(plain: Plain): Header {
  const fields = new Fields(plain, "a pair");
  const pair = [fields.string(), fields.string()] as const;
  fields.end();
  return pair;
}

function readString(plain: Plain): string {
  if (typeof plain !== "string") throw new ProtocolError("an item of a list is not a string");
  return plain;
}

export function readInvocationId(fields: Fields): InvocationId {
  const text = fields.string();
  if (parseInvocationId(text) === undefined) {
    throw new ProtocolError("an invocation id that is none: inv_ and 32 characters");
  }
  return text as InvocationId; // it parses
}

function readAwakeableId(fields: Fields): AwakeableId {
  const text = fields.string();
  if (parseAwakeableId(text) === undefined) {
    throw new ProtocolError("an awakeable id that is none: sign_ and 39 characters");
  }
  return text as AwakeableId; // it parses
}
