/**
 * The journal of an invocation: commands (what the code asked for) and deliveries (what came back),
 * in the one order in which the runtime accepted them.
 *
 * 1. Commands are numbered 0, 1, 2, ... by `index`, in the order in which the code issued them.
 * 2. Completion ids are chosen by the SDK: unique within the invocation, 1 and up, increasing.
 * 3. `after` is the number of deliveries that the attempt had made when the command was issued.
 *    Replay goes by it: see replay in PROTOCOL.md.
 * 4. A command is recorded once and never changes. A completion id is completed at most once.
 */
import type { Failure } from "./failure.ts";
import type { AwakeableId, InvocationId } from "./ids.ts";
import type { Payload, Result } from "./payload.ts";

export type CompletionId = number;

interface CommandBase {
  readonly index: number;
  readonly after: number;
  /** Issued from outside a turn: the code awaited something real (a timer, a socket) just before. */
  readonly outside: boolean;
  /** The label the user gave (name of a run, a sleep, a call); "" when none. Compared on replay. */
  readonly name: string;
}

/** A service's handler as an address. `key` is null for a stateless service. */
export interface Target {
  readonly service: string;
  readonly handler: string;
  readonly key: string | null;
}

/** Retry policy of one run. Absent values mean "no limit". */
export interface RunRetryPolicy {
  readonly initialIntervalMs: number;
  readonly factor: number;
  readonly maxIntervalMs: number;
  readonly maxAttempts: number | null;
  readonly maxDurationMs: number | null;
  /** Share of each wait by which it is made shorter or longer, at random. 0 to 1. */
  readonly jitter: number;
  /** What happens when no try is left: the run fails, or its invocation pauses. */
  readonly onMaxAttempts: "fail" | "pause";
}

/**
 * What becomes of a run whose try was cut off before its result was recorded:
 * - `at-least-once`: its closure runs again
 * - `at-most-once`: it fails as interrupted, and its closure never runs again
 * - `probe`: the outside is asked whether it happened, and the closure runs again only if not
 */
export type RunMode = "at-least-once" | "at-most-once" | "probe";

export type Header = readonly [name: string, value: string];

export type Command = CommandBase &
  (
    | { readonly kind: "get-state"; readonly key: string; readonly completionId: CompletionId }
    /** Answered from what was sent at the start; the answer is part of the command. */
    | { readonly kind: "get-state-here"; readonly key: string; readonly value: Payload | null }
    | { readonly kind: "get-state-keys"; readonly completionId: CompletionId }
    | { readonly kind: "get-state-keys-here"; readonly keys: readonly string[] }
    | { readonly kind: "set-state"; readonly key: string; readonly value: Payload }
    | { readonly kind: "clear-state"; readonly key: string }
    | { readonly kind: "clear-all-state" }
    /** The runtime fixes the due time when it accepts the command; the duration is not compared. */
    | {
        readonly kind: "sleep";
        readonly durationMs: number;
        readonly completionId: CompletionId;
      }
    /** Takes back a sleep that nobody waits for any more (the timer under an `orTimeout`). */
    | { readonly kind: "withdraw"; readonly completionId: CompletionId }
    | {
        readonly kind: "call";
        readonly target: Target;
        readonly parameter: Payload;
        readonly headers: readonly Header[];
        readonly idempotencyKey: string | null;
        readonly completionId: CompletionId;
      }
    | {
        readonly kind: "send";
        readonly target: Target;
        readonly parameter: Payload;
        readonly headers: readonly Header[];
        readonly idempotencyKey: string | null;
        readonly delayMs: number;
      }
    /** The id of the invocation that the call or send at command `of` created or found. */
    | {
        readonly kind: "invocation-id";
        readonly of: number;
        readonly completionId: CompletionId;
      }
    /** The closure starts on a go. `retry` null: the invocation's own policy rules. */
    | {
        readonly kind: "run";
        readonly completionId: CompletionId;
        readonly retry: RunRetryPolicy | null;
        readonly mode: RunMode;
      }
    | { readonly kind: "awakeable"; readonly completionId: CompletionId }
    | {
        readonly kind: "complete-awakeable";
        readonly awakeableId: AwakeableId;
        readonly result: Result;
      }
    | {
        readonly kind: "get-promise";
        readonly promise: string;
        readonly completionId: CompletionId;
      }
    | {
        readonly kind: "peek-promise";
        readonly promise: string;
        readonly completionId: CompletionId;
      }
    | {
        readonly kind: "complete-promise";
        readonly promise: string;
        readonly result: Result;
        readonly completionId: CompletionId;
      }
    /** Waits for the next signal of this name; signals of a name answer their waits in order. */
    | { readonly kind: "await-signal"; readonly signal: string }
    | {
        readonly kind: "send-signal";
        readonly invocationId: InvocationId;
        readonly signal: string;
        readonly result: Result;
      }
    | { readonly kind: "cancel"; readonly invocationId: InvocationId }
    | {
        readonly kind: "attach";
        readonly invocationId: InvocationId;
        readonly completionId: CompletionId;
      }
    | { readonly kind: "date"; readonly completionId: CompletionId }
    /** Answered on the spot; the answer is part of the command. */
    | { readonly kind: "date-here"; readonly timeMs: number }
    /** This invocation takes the new branch of a patch: `ctx.patched(patch)` is true in it, for ever. */
    | { readonly kind: "patched"; readonly patch: string }
  );

export type CommandKind = Command["kind"];

export type CompletionResult =
  | { readonly kind: "void" }
  | { readonly kind: "value"; readonly value: Payload }
  | { readonly kind: "failure"; readonly failure: Failure }
  /** Wire only, for a run: the result is what this attempt itself proposed, and is now recorded. */
  | { readonly kind: "proposed" }
  | { readonly kind: "invocation-id"; readonly invocationId: InvocationId }
  | { readonly kind: "state-keys"; readonly keys: readonly string[] }
  | { readonly kind: "time"; readonly timeMs: number };

/** What the runtime hands to an attempt, one per turn. */
export type Delivery =
  | {
      readonly kind: "completion";
      readonly completionId: CompletionId;
      readonly result: CompletionResult;
    }
  | { readonly kind: "signal"; readonly signal: string; readonly result: Result }
  | { readonly kind: "cancellation" };

/** What a replay is fed. */
export type ReplayEntry =
  | { readonly kind: "command"; readonly command: Command }
  | { readonly kind: "delivery"; readonly delivery: Delivery };
