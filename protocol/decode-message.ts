/** Plain arrays as messages, checked field by field: all that a peer can say wrong ends here. */
import { Fields, ProtocolError, type Plain } from "./fields.ts";
import { MESSAGE_TYPE } from "./encode-message.ts";
import {
  PROTOCOL_VERSION,
  type Follower,
  type RuntimeMessage,
  type Start,
  type WorkerMessage,
} from "./message.ts";
import { parseManifest } from "./parse-manifest.ts";
import {
  commandFromPlain,
  deliveryFromPlain,
  failureFromPlain,
  headersFromPlain,
  readInvocationId,
  replayEntryFromPlain,
  resultFromPlain,
  targetFromPlain,
} from "./plain.ts";
import { VERSION_LENGTH_MAX } from "./wire-limits.ts";

const ENTRIES_MAX = 100_000;
const SEED_BYTES = 16;
const SDK_LENGTH_MAX = 256;

export function workerMessageFromPlain(plain: Plain): WorkerMessage {
  const fields = new Fields(plain, "a message");
  const message = readWorkerMessage(fields);
  fields.end();
  return message;
}

function readWorkerMessage(fields: Fields): WorkerMessage {
  const type = fields.u32();
  switch (type) {
    case MESSAGE_TYPE.hello:
      return readHello(fields);
    case MESSAGE_TYPE.command:
      return {
        kind: "command",
        attempt: fields.ordinal(),
        command: commandFromPlain(fields.next()),
      };
    case MESSAGE_TYPE["run-result"]:
      return {
        kind: "run-result",
        attempt: fields.ordinal(),
        command: fields.u32(),
        try: fields.ordinal(),
        result: resultFromPlain(fields.next()),
        deliveries: fields.orNull((it) => it.u32()),
      };
    case MESSAGE_TYPE["run-failed"]:
      return {
        kind: "run-failed",
        attempt: fields.ordinal(),
        command: fields.u32(),
        try: fields.ordinal(),
        failure: failureFromPlain(fields.next()),
        retryAfterMs: fields.orNull((it) => it.whole()),
      };
    case MESSAGE_TYPE.end:
      return { kind: "end", attempt: fields.ordinal(), result: resultFromPlain(fields.next()) };
    case MESSAGE_TYPE.fail:
      return {
        kind: "fail",
        attempt: fields.ordinal(),
        failure: failureFromPlain(fields.next()),
        stack: fields.string(),
        command: fields.orNull((it) => it.u32()),
        retryAfterMs: fields.orNull((it) => it.whole()),
      };
    case MESSAGE_TYPE.suspend:
      return { kind: "suspend", attempt: fields.ordinal(), deliveries: fields.u32() };
    case MESSAGE_TYPE.idle:
      return { kind: "idle", attempt: fields.ordinal(), deliveries: fields.u32() };
    case MESSAGE_TYPE["run-not-done"]:
      return {
        kind: "run-not-done",
        attempt: fields.ordinal(),
        command: fields.u32(),
        try: fields.ordinal(),
      };
    case MESSAGE_TYPE.drain:
      return { kind: "drain" };
    default:
      throw new ProtocolError(`a worker sends no message of type ${type}`);
  }
}

function readHello(fields: Fields): WorkerMessage {
  const protocol = fields.u32();
  if (protocol !== PROTOCOL_VERSION) {
    // What else it says is not ours to read. The number is enough for the refusal that follows.
    fields.skipRest();
    const manifest = { services: [] };
    const nothing = { version: "", concurrency: 1, sdk: "", manifest, followersMax: 0 };
    return { kind: "hello", protocol, ...nothing };
  }
  const version = fields.string();
  const concurrency = fields.u32();
  const sdk = fields.string();
  const manifest = parseManifest(fields.string());
  const followersMax = fields.u32();
  if (version === "" || version.length > VERSION_LENGTH_MAX) {
    throw new ProtocolError(`a version has 1 to ${VERSION_LENGTH_MAX} characters`);
  }
  if (sdk.length > SDK_LENGTH_MAX) {
    throw new ProtocolError(`the name of an SDK has at most ${SDK_LENGTH_MAX} characters`);
  }
  if (concurrency === 0) throw new ProtocolError("a worker takes at least one attempt at once");
  return { kind: "hello", protocol, version, concurrency, sdk, manifest, followersMax };
}

export function runtimeMessageFromPlain(plain: Plain): RuntimeMessage {
  const fields = new Fields(plain, "a message");
  const message = readRuntimeMessage(fields);
  fields.end();
  return message;
}

function readRuntimeMessage(fields: Fields): RuntimeMessage {
  const type = fields.u32();
  switch (type) {
    case MESSAGE_TYPE.welcome:
      return {
        kind: "welcome",
        protocol: fields.u32(),
        epoch: fields.u32(),
        connection: fields.whole(),
        inactivityTimeoutMs: fields.whole(),
        frameBytesMax: fields.u32(),
        payloadBytesMax: fields.u32(),
      };
    case MESSAGE_TYPE.refused:
      return { kind: "refused", code: fields.u32(), reason: fields.string() };
    case MESSAGE_TYPE.start:
      return readStart(fields);
    case MESSAGE_TYPE.replay:
      return {
        kind: "replay",
        attempt: fields.ordinal(),
        entries: fields.list(replayEntryFromPlain, ENTRIES_MAX),
      };
    case MESSAGE_TYPE.deliver:
      return {
        kind: "deliver",
        attempt: fields.ordinal(),
        delivery: deliveryFromPlain(fields.next()),
      };
    case MESSAGE_TYPE.go:
      return {
        kind: "go",
        attempt: fields.ordinal(),
        command: fields.u32(),
        try: fields.ordinal(),
        probe: fields.boolean(),
      };
    case MESSAGE_TYPE.abort:
      return { kind: "abort", attempt: fields.ordinal(), reason: fields.string() };
    case MESSAGE_TYPE.ack:
      return { kind: "ack", upTo: fields.whole() };
    case MESSAGE_TYPE["make-room"]:
      return { kind: "make-room", attempts: fields.u32() };
    case MESSAGE_TYPE.state:
      return {
        kind: "state",
        attempt: fields.ordinal(),
        entries: fields.list(readStateEntry, ENTRIES_MAX),
      };
    default:
      throw new ProtocolError(`a runtime sends no message of type ${type}`);
  }
}

function readStart(fields: Fields): Start {
  const start: Start = {
    kind: "start",
    attempt: fields.ordinal(),
    invocationId: readInvocationId(fields),
    target: targetFromPlain(fields.next()),
    attemptNumber: fields.ordinal(),
    seed: fields.bytes(),
    createdAtMs: fields.whole(),
    headers: headersFromPlain(fields.next()),
    idempotencyKey: fields.orNull((it) => it.string()),
    input: fields.bytes(),
    state: { complete: fields.boolean(), entries: fields.list(readStateEntry, ENTRIES_MAX) },
    commandCount: fields.u32(),
    deliveryCount: fields.u32(),
    followers: fields.list(readFollower, ENTRIES_MAX),
  };
  checkSeed(start.seed);
  return start;
}

function readFollower(plain: Plain): Follower {
  const fields = new Fields(plain, "a follower");
  const follower: Follower = {
    attempt: fields.ordinal(),
    invocationId: readInvocationId(fields),
    handler: fields.string(),
    seed: fields.bytes(),
    createdAtMs: fields.whole(),
    headers: headersFromPlain(fields.next()),
    idempotencyKey: fields.orNull((it) => it.string()),
    input: fields.bytes(),
  };
  fields.end();
  checkSeed(follower.seed);
  return follower;
}

function checkSeed(seed: Uint8Array): void {
  if (seed.length !== SEED_BYTES) throw new ProtocolError("a seed has 16 bytes");
}

function readStateEntry(plain: Plain): readonly [string, Uint8Array] {
  const fields = new Fields(plain, "a state entry");
  const entry = [fields.string(), fields.bytes()] as const;
  fields.end();
  return entry;
}
