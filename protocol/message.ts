/**
 * Everything that runtime and worker say to each other. PROTOCOL.md says who may send what, when.
 *
 * An attempt is named by a handle: a number that the runtime chooses per connection and partition,
 * never used twice on a connection and worth nothing on another one. That, and not the attempt
 * number, is the fence against a zombie.
 */
import type { Command, Delivery, Header, ReplayEntry, Target } from "./command.ts";
import type { Failure } from "./failure.ts";
import type { InvocationId } from "./ids.ts";
import type { Manifest } from "./manifest.ts";
import type { Payload, Result } from "./payload.ts";

export const PROTOCOL_VERSION = 1;
export const SUBPROTOCOL = "holdfast.v1";

/** Chosen by the runtime, per connection and partition. 1 and up. */
export type AttemptHandle = number;

/** First message of a worker on a connection. */
export interface Hello {
  readonly kind: "hello";
  readonly protocol: number;
  /** The deployment: one version of the code. */
  readonly version: string;
  /** How many attempts this worker takes at once. */
  readonly concurrency: number;
  /** For logs: "holdfast-ts/0.1.0 pid=123". */
  readonly sdk: string;
  readonly manifest: Manifest;
  /** How many followers it takes with one start; 0: it knows none. */
  readonly followersMax: number;
}

export interface Welcome {
  readonly kind: "welcome";
  readonly protocol: number;
  readonly epoch: number;
  /** For logs on both sides. */
  readonly connection: number;
  /** How long an attempt that only waits stays in memory, unless its handler says otherwise. */
  readonly inactivityTimeoutMs: number;
  /** No WebSocket message is larger. */
  readonly frameBytesMax: number;
  /** No payload is larger. */
  readonly payloadBytesMax: number;
}

/** The registration is refused; the runtime closes the connection after this. */
export interface Refused {
  readonly kind: "refused";
  readonly code: number;
  readonly reason: string;
}

export type StateEntry = readonly [key: string, value: Payload];

/** Starts an attempt. Followed by `replay` messages until `commandCount + deliveryCount` entries came. */
export interface Start {
  readonly kind: "start";
  readonly attempt: AttemptHandle;
  readonly invocationId: InvocationId;
  readonly target: Target;
  /** For people: 1 for the first attempt. */
  readonly attemptNumber: number;
  /** 16 bytes; seeds `ctx.rand`. The same on every attempt. */
  readonly seed: Payload;
  readonly createdAtMs: number;
  readonly headers: readonly Header[];
  readonly idempotencyKey: string | null;
  readonly input: Payload;
  /** Keyed handlers: state as the attempt may read it without asking. `complete`: a key that is not here is not there. */
  readonly state: {
    readonly complete: boolean;
    readonly entries: readonly StateEntry[];
  };
  readonly commandCount: number;
  readonly deliveryCount: number;
  /** Those that wait for the same key, in the order of its inbox. Only of an exclusive attempt of an
   * object whose journal is empty and whose state is complete. */
  readonly followers: readonly Follower[];
}

/**
 * The start of an invocation that has the key after the one before it: its first attempt, with an
 * empty journal. It is valid exactly when that one ends (by `end`): it then starts on the state that
 * it left. In all other cases it is void, with all that come after it.
 */
export interface Follower {
  readonly attempt: AttemptHandle;
  readonly invocationId: InvocationId;
  /** Another exclusive handler of the same object, perhaps. */
  readonly handler: string;
  readonly seed: Payload;
  readonly createdAtMs: number;
  readonly headers: readonly Header[];
  readonly idempotencyKey: string | null;
  readonly input: Payload;
}

/** The journal so far, in order, in as many messages as it takes. */
export interface Replay {
  readonly kind: "replay";
  readonly attempt: AttemptHandle;
  readonly entries: readonly ReplayEntry[];
}

export interface Deliver {
  readonly kind: "deliver";
  readonly attempt: AttemptHandle;
  readonly delivery: Delivery;
}

/** The closure of the run at `command` may start, as its try number `try` (1 for the first). */
export interface Go {
  readonly kind: "go";
  readonly attempt: AttemptHandle;
  readonly command: number;
  readonly try: number;
  /** Ask the outside whether it happened, in place of the closure: see `RunMode`. */
  readonly probe: boolean;
}

/** The attempt is over, or the follower is void: stop it, send nothing more for it. */
export interface Abort {
  readonly kind: "abort";
  readonly attempt: AttemptHandle;
  readonly reason: string;
}

/** The first `upTo` messages of this worker on this connection (and partition) are durable. */
export interface Ack {
  readonly kind: "ack";
  readonly upTo: number;
}

/**
 * Work waits for capacity: suspend `attempts` attempts that only wait, now or as soon as they do.
 * The worker remembers the wish until that many attempts have left; a wish never exceeds its concurrency.
 */
export interface MakeRoom {
  readonly kind: "make-room";
  readonly attempts: number;
}

/**
 * Further state of an exclusive attempt's key, that the attempt may read without asking unless it has
 * set or cleared it meanwhile. Comes before the completion of a `get-state`.
 */
export interface FurtherState {
  readonly kind: "state";
  readonly attempt: AttemptHandle;
  readonly entries: readonly StateEntry[];
}

export type RuntimeMessage =
  Welcome | Refused | Start | Replay | Deliver | Go | Abort | Ack | MakeRoom | FurtherState;

export interface Issue {
  readonly kind: "command";
  readonly attempt: AttemptHandle;
  readonly command: Command;
}

/** A run's closure returned, or threw something that no retry will mend. */
export interface RunResult {
  readonly kind: "run-result";
  readonly attempt: AttemptHandle;
  readonly command: number;
  readonly try: number;
  readonly result: Result;
  /**
   * How many deliveries the attempt had made before it made this one itself, since nothing else was
   * outstanding; null when it waits for the runtime to deliver it.
   */
  readonly deliveries: number | null;
}

/** A run's closure threw; the runtime decides by policy whether and when there is another try. */
export interface RunFailed {
  readonly kind: "run-failed";
  readonly attempt: AttemptHandle;
  readonly command: number;
  readonly try: number;
  readonly failure: Failure;
  readonly retryAfterMs: number | null;
}

/** A probe found that what the run does has not happened: its closure may run. */
export interface RunNotDone {
  readonly kind: "run-not-done";
  readonly attempt: AttemptHandle;
  readonly command: number;
  readonly try: number;
}

/** The handler settled: the invocation is over. */
export interface End {
  readonly kind: "end";
  readonly attempt: AttemptHandle;
  readonly result: Result;
}

/** The attempt failed and may be tried again. */
export interface Fail {
  readonly kind: "fail";
  readonly attempt: AttemptHandle;
  readonly failure: Failure;
  /** For the admin API only; never journaled, never shown to callers. */
  readonly stack: string;
  /** The command it has to do with, if any. */
  readonly command: number | null;
  readonly retryAfterMs: number | null;
}

/** The attempt only waits and leaves memory; it had made this many deliveries. */
export interface Suspend {
  readonly kind: "suspend";
  readonly attempt: AttemptHandle;
  readonly deliveries: number;
}

/**
 * The attempt waits, and for nothing but calls and attaches; it had made this many deliveries. Holds
 * until the next command or delivery. With it the runtime finds deadlocks.
 */
export interface Idle {
  readonly kind: "idle";
  readonly attempt: AttemptHandle;
  readonly deliveries: number;
}

/** The worker is going away: no more starts, please. Running attempts go on. */
export interface Drain {
  readonly kind: "drain";
}

export type AttemptMessage =
  Issue | RunResult | RunFailed | RunNotDone | End | Fail | Idle | Suspend;
export type WorkerMessage = Hello | AttemptMessage | Drain;
