import type { AwakeableId, InvocationId } from "../protocol/ids.ts";
import type { Duration } from "./duration.ts";
import type { TerminalError } from "./errors.ts";

/**
 * What the calls of `ctx` give back: a plain promise that works with `await`, `Promise.all`, `race`,
 * `any` and `allSettled`, and settles in the same order when the handler is replayed.
 *
 * It rejects with a `TerminalError`: the failure that was recorded, or `CancelledError` when the
 * invocation is cancelled meanwhile. Left alone when it rejects, it never crashes the process.
 */
export interface ContextPromise<T> extends Promise<T> {
  /**
   * The same promise with a time limit: rejects with `TimeoutError` when `duration` is over first.
   * The timer is durable and is taken back when the promise settles first. What the promise stands
   * for (a call, a run) goes on.
   *
   * @throws TypeError or RangeError at once when `duration` is not one
   * @example await ctx.awakeable<string>().promise.orTimeout({ hours: 1 });
   */
  orTimeout(duration: Duration): ContextPromise<T>;

  /**
   * A promise for what `mapper` makes of the value or of the failure. Without side effects: it runs
   * again on replay.
   */
  map<U>(
    mapper: (value: T | undefined, failure: TerminalError | undefined) => U,
  ): ContextPromise<U>;
}

/** A handle on an invocation that was started by a call or a send. */
export interface InvocationHandle {
  /** The id of the invocation, for `ctx.attach`, `ctx.cancel`, `ctx.invocation` and the HTTP API. */
  readonly invocationId: Promise<InvocationId>;
}

/** The answer of a call, with the id of the invocation that gives it. */
export interface InvocationPromise<T> extends ContextPromise<T>, InvocationHandle {}

/**
 * A promise of a workflow by its name: durable, shared by all handlers of the workflow's key, and
 * completed once. Awaiting it is the same as `get()`.
 */
export interface DurablePromise<T> extends Promise<T> {
  /** Waits until it is completed. */
  get(): ContextPromise<T>;
  /** Its value now, or `undefined` when it is not completed. Rejects when it was rejected. */
  peek(): ContextPromise<T | undefined>;
  /**
   * Completes it with a value.
   *
   * @throws TerminalError 409 (as a rejection) when it was completed before
   */
  resolve(value?: T): ContextPromise<void>;
  /**
   * Completes it with a failure: a message, or the error that all who wait shall see.
   *
   * @throws TerminalError 409 (as a rejection) when it was completed before
   */
  reject(reason: string | TerminalError): ContextPromise<void>;
}

/** A promise that someone outside completes by its id: a webhook, a human, another invocation. */
export interface Awakeable<T> {
  /** `sign_...`. Whoever holds it may complete the promise: `POST /restate/awakeables/{id}/resolve`. */
  readonly id: AwakeableId;
  readonly promise: ContextPromise<T>;
}
