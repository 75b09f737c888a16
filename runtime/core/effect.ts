/**
 * All that the state machine can ask the outside to do.
 *
 * `when` says when the loop performs it:
 * - "now": at the end of the loop's turn. Only things that stay inside: a worker's user code may
 *   run ahead of the disk.
 * - "durable": when the batch that was open as it was made is on disk. `demand` asks the loop to
 *   close that batch as soon as a commit slot is free, because somebody outside is waiting.
 *
 * Effects of one lane (one attempt on one connection) are performed in the order in which they
 * were made: a "now" behind a "durable" that still waits, waits too.
 *
 * After a crash: `recover` makes starts, deliveries and gos anew from the rows. Answers to HTTP
 * requests and messages to workers are lost with their connections, and whoever waited asks again.
 */
import type { InvocationId } from "../../protocol/ids.ts";
import type { RuntimeMessage } from "../../protocol/message.ts";
import type { Result } from "../../protocol/payload.ts";
import type { ConnectionId, RequestId } from "./input.ts";

export type Effect =
  | {
      readonly kind: "respond";
      readonly when: "durable";
      readonly demand: true;
      readonly request: RequestId;
      readonly response: Response;
    }
  | {
      readonly kind: "message";
      readonly when: "now" | "durable";
      readonly demand: boolean;
      readonly connection: ConnectionId;
      /** The attempt it speaks of: its lane. 0 for the connection itself. */
      readonly attempt: number;
      readonly message: RuntimeMessage;
    }
  | {
      readonly kind: "close-connection";
      readonly when: "durable";
      readonly demand: true;
      readonly connection: ConnectionId;
      readonly code: number;
      readonly reason: string;
    }
  | {
      readonly kind: "warn";
      readonly when: "durable";
      readonly demand: false;
      readonly message: string;
      readonly facts: Readonly<Record<string, string | number>>;
    };

/** Answers to requests from outside. */
export type Response =
  | {
      readonly kind: "accepted";
      readonly invocationId: InvocationId;
      readonly status: "Accepted" | "PreviouslyAccepted";
      /** For delayed sends. */
      readonly executionTimeMs: number | null;
    }
  | {
      readonly kind: "completed";
      readonly invocationId: InvocationId;
      readonly result: Result;
      /** "" for an empty output without a type. */
      readonly contentType: string;
      /** When a result that was read back is forgotten; null on the first answer. */
      readonly expiresAtMs: number | null;
    }
  /** An awakeable was completed (or had been before: the first completion wins). */
  | { readonly kind: "done" }
  /** A cancel or kill was taken; `effect` says what will happen. */
  | { readonly kind: "controlled"; readonly applied: "now" | "appended"; readonly effect: string }
  | {
      readonly kind: "refused";
      /** HTTP status. */
      readonly code: number;
      readonly message: string;
      readonly invocationId: InvocationId | null;
      readonly source: "ingress" | "invocation";
    };
