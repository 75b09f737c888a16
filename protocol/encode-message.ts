/** Messages as plain arrays `[type, field, ...]`. PROTOCOL.md lists them. */
import type { Plain } from "./fields.ts";
import type { Follower, RuntimeMessage, StateEntry, WorkerMessage } from "./message.ts";
import {
  commandToPlain,
  deliveryToPlain,
  failureToPlain,
  headersToPlain,
  replayEntryToPlain,
  resultToPlain,
  targetToPlain,
} from "./plain.ts";

/** Numbers of the message types: once given, never changed. 1 to 31 the worker's, 32 and up the runtime's. */
export const MESSAGE_TYPE: {
  readonly hello: 1;
  readonly command: 2;
  readonly "run-result": 3;
  readonly "run-failed": 4;
  readonly end: 5;
  readonly fail: 6;
  readonly suspend: 7;
  readonly drain: 8;
  readonly idle: 9;
  readonly "run-not-done": 10;
  readonly welcome: 32;
  readonly refused: 33;
  readonly start: 34;
  readonly replay: 35;
  readonly deliver: 36;
  readonly go: 37;
  readonly abort: 38;
  readonly ack: 39;
  readonly "make-room": 40;
  readonly state: 41;
} = {
  hello: 1,
  command: 2,
  "run-result": 3,
  "run-failed": 4,
  end: 5,
  fail: 6,
  suspend: 7,
  drain: 8,
  idle: 9,
  "run-not-done": 10,
  welcome: 32,
  refused: 33,
  start: 34,
  replay: 35,
  deliver: 36,
  go: 37,
  abort: 38,
  ack: 39,
  "make-room": 40,
  state: 41,
} as const satisfies Record<(RuntimeMessage | WorkerMessage)["kind"], number>;

export function messageToPlain(message: RuntimeMessage | WorkerMessage): Plain {
  return [MESSAGE_TYPE[message.kind], ...messageFields(message)];
}

function messageFields(it: RuntimeMessage | WorkerMessage): Plain[] {
  switch (it.kind) {
    case "hello":
      return [
        it.protocol,
        it.version,
        it.concurrency,
        it.sdk,
        JSON.stringify(it.manifest),
        it.followersMax,
      ];
    case "command":
      return [it.attempt, commandToPlain(it.command)];
    case "run-result":
      return [it.attempt, it.command, it.try, resultToPlain(it.result), it.deliveries];
    case "run-failed":
      return [it.attempt, it.command, it.try, failureToPlain(it.failure), it.retryAfterMs];
    case "end":
      return [it.attempt, resultToPlain(it.result)];
    case "fail":
      return [it.attempt, failureToPlain(it.failure), it.stack, it.command, it.retryAfterMs];
    case "run-not-done":
      return [it.attempt, it.command, it.try];
    case "idle":
    case "suspend":
      return [it.attempt, it.deliveries];
    case "drain":
      return [];
    case "welcome":
      return [
        it.protocol,
        it.epoch,
        it.connection,
        it.inactivityTimeoutMs,
        it.frameBytesMax,
        it.payloadBytesMax,
      ];
    case "refused":
      return [it.code, it.reason];
    case "start":
      return startFields(it);
    case "replay":
      return [it.attempt, it.entries.map(replayEntryToPlain)];
    case "deliver":
      return [it.attempt, deliveryToPlain(it.delivery)];
    case "go":
      return [it.attempt, it.command, it.try, it.probe];
    case "abort":
      return [it.attempt, it.reason];
    case "ack":
      return [it.upTo];
    case "make-room":
      return [it.attempts];
    case "state":
      return [it.attempt, stateToPlain(it.entries)];
  }
}

function stateToPlain(entries: readonly StateEntry[]): Plain {
  return entries.map(([key, value]): Plain => [key, value]);
}

function startFields(it: RuntimeMessage & { readonly kind: "start" }): Plain[] {
  return [
    it.attempt,
    it.invocationId,
    targetToPlain(it.target),
    it.attemptNumber,
    it.seed,
    it.createdAtMs,
    headersToPlain(it.headers),
    it.idempotencyKey,
    it.input,
    it.state.complete,
    stateToPlain(it.state.entries),
    it.commandCount,
    it.deliveryCount,
    it.followers.map(followerToPlain),
  ];
}

function followerToPlain(it: Follower): Plain {
  return [
    it.attempt,
    it.invocationId,
    it.handler,
    it.seed,
    it.createdAtMs,
    headersToPlain(it.headers),
    it.idempotencyKey,
    it.input,
  ];
}
