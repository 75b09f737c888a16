/**
 * All that can enter the state machine. Whatever is not deterministic (time, randomness, the
 * arrival of a message) is in here and nowhere else.
 */
import type { AwakeableId, InvocationId } from "../../protocol/ids.ts";
import type { Header, Target } from "../../protocol/command.ts";
import type { AttemptMessage, Hello } from "../../protocol/message.ts";
import type { Payload, Result } from "../../protocol/payload.ts";

/** Names a request from outside that waits for a `respond` effect. Chosen by the shell, never reused. */
export type RequestId = number;

/** Names a live connection of a worker. Chosen by the shell, never reused within an epoch. */
export type ConnectionId = number;

/** Which invocation somebody outside means. */
export type InvocationRef =
  | { readonly kind: "id"; readonly invocationId: InvocationId }
  | { readonly kind: "workflow"; readonly service: string; readonly key: string }
  | {
      readonly kind: "idempotency-key";
      readonly target: Target;
      readonly idempotencyKey: string;
    };

export interface Invoke {
  readonly kind: "invoke";
  readonly request: RequestId;
  /** "call" answers with the outcome, "send" as soon as it is accepted. */
  readonly mode: "call" | "send";
  readonly target: Target;
  readonly parameter: Payload;
  readonly headers: readonly Header[];
  readonly idempotencyKey: string | null;
  readonly delayMs: number;
  /** 24 random bytes (a binary string): the id's tag and the invocation's seed. */
  readonly entropy: string;
}

/** Somebody takes hold of an invocation. */
export type ControlInvocation =
  | { readonly kind: "cancel"; readonly request: RequestId; readonly invocationId: InvocationId }
  | { readonly kind: "kill"; readonly request: RequestId; readonly invocationId: InvocationId }
  /** Stops it where it is; it keeps its key and everything recorded until it is resumed. */
  | { readonly kind: "pause"; readonly request: RequestId; readonly invocationId: InvocationId }
  /** Goes on with what is paused, and at once with what backs off, be it a run inside. */
  | {
      readonly kind: "resume";
      readonly request: RequestId;
      readonly invocationId: InvocationId;
      /** "keep" (as if it were not given), "latest", or the version of a deployment. */
      readonly deployment?: string;
    }
  /** Forgets one that has ended, before its retention is over. */
  | { readonly kind: "purge"; readonly request: RequestId; readonly invocationId: InvocationId };

/** Nothing of a key starts while it is paused; what comes is accepted and waits. */
export interface HoldKey {
  readonly kind: "pause-key" | "resume-key";
  readonly request: RequestId;
  readonly service: string;
  readonly key: string;
}

/** The same for all of a service. */
export interface HoldService {
  readonly kind: "pause-service" | "resume-service";
  readonly request: RequestId;
  readonly service: string;
}

export type Input =
  | Invoke
  /** Waits for the outcome. */
  | { readonly kind: "attach"; readonly request: RequestId; readonly ref: InvocationRef }
  /** The outcome if there is one already. */
  | { readonly kind: "output"; readonly request: RequestId; readonly ref: InvocationRef }
  | {
      readonly kind: "complete-awakeable";
      readonly request: RequestId;
      readonly awakeableId: AwakeableId;
      readonly result: Result;
    }
  | ControlInvocation
  | HoldKey
  | HoldService
  /** Forgets a deployment that is drained: no invocation needs it and no worker of it is here. */
  | { readonly kind: "remove-deployment"; readonly request: RequestId; readonly version: string }
  /** The client went away: nobody waits for this request any more. */
  | { readonly kind: "forget-request"; readonly request: RequestId }
  | { readonly kind: "worker-hello"; readonly connection: ConnectionId; readonly hello: Hello }
  | {
      readonly kind: "worker-message";
      readonly connection: ConnectionId;
      /**
       * Counts the messages of this connection, from 1 (the hello). Acknowledgements speak of it. 0 when
       * others came with it and follow at once: the acknowledgement of the last one covers it.
       */
      readonly ordinal: number;
      readonly message: AttemptMessage;
      /** How long its attempt was held back by the disk since its last message. The loop says so. */
      diskWaitMs?: number;
    }
  | { readonly kind: "worker-drain"; readonly connection: ConnectionId; readonly ordinal: number }
  /**
   * The connection's outgoing buffer is full (or has room again): no new starts meanwhile. A new
   * connection counts as congested until its welcome has left: the hub then sends `false`.
   */
  | {
      readonly kind: "worker-congestion";
      readonly connection: ConnectionId;
      readonly congested: boolean;
    }
  | { readonly kind: "worker-lost"; readonly connection: ConnectionId; readonly reason: string }
  /** The disk is nearly full, or has room again. */
  | { readonly kind: "disk-space"; readonly low: boolean }
  /** Some timer is due: the machine finds out which. */
  | { readonly kind: "timers-due" };
