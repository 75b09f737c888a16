/**
 * What a ctx call waits for: the command, once it is known, and the promise that its answer settles.
 *
 * One object, and no closure: a handler makes one of these for each call, live and in replay, and closures
 * that resolve, reject, settle and execute were half of what a call left to the garbage collector.
 */
import { assert } from "../../protocol/assert.ts";
import type { Command, CompletionResult } from "../../protocol/command.ts";
import { fromFailure } from "../failure.ts";
import { ignore, JournalPromise, type Timers } from "./journal-promise.ts";
import type { Waiter } from "./machine.ts";

/** What the completion of a command means to user code. */
export type Read<T> = (result: CompletionResult, command: Command) => T;

export class Asked<T> implements Waiter {
  readonly promise: JournalPromise<T>;
  /** Undefined when nothing was recorded: cancelled, or over. */
  command: Command | undefined;
  readonly #resolve: (value: T) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #read: Read<T>;
  readonly #failed: ((command: Command) => void) | undefined;
  /** Whether nobody needs to look after its rejection. */
  #quiet = false;

  /** `failed`: told when it fails, in the place of `read`. */
  constructor(timers: Timers, read: Read<T>, failed?: (command: Command) => void) {
    this.promise = new JournalPromise<T>(timers, keep);
    this.#resolve = kept.resolve as (value: T) => void; // of the line above
    this.#reject = kept.reject;
    // They hold the promise, and all that waits for it.
    kept.resolve = ignore;
    kept.reject = ignore;
    this.#read = read;
    this.#failed = failed;
  }

  settle(result: CompletionResult): void {
    const { command } = this;
    assert(command !== undefined, "what is answered was recorded");
    if (result.kind === "failure") this.#failed?.(command);
    try {
      if (result.kind === "failure") throw fromFailure(result.failure);
      const value = this.#read(result, command);
      // Only as it is made: the promise itself looks as well, and what is asked may throw.
      if (!this.#quiet) this.#quiet = !isThenable(value);
      this.#resolve(value);
    } catch (error) {
      this.#reject(error);
    }
  }

  reject(reason: unknown): void {
    this.#reject(reason);
  }

  /**
   * The call returns. A promise of ctx that nobody looks at must not end the process when it rejects. One
   * that has its value never does: that spares a promise for each state that is read.
   */
  made(): void {
    if (!this.#quiet) this.promise.catch(ignore);
    this.#quiet = true;
  }
}

/** Where the executor of a promise leaves what settles it, for the lines behind it. */
const kept: { resolve: (value: never) => void; reject: (reason: unknown) => void } = {
  resolve: ignore,
  reject: ignore,
};

function keep(resolve: (value: never) => void, reject: (reason: unknown) => void): void {
  kept.resolve = resolve;
  kept.reject = reject;
}

/** What a promise waits for in its turn. */
function isThenable(value: unknown): boolean {
  if (typeof value !== "function" && (typeof value !== "object" || value === null)) return false;
  return typeof (value as { readonly then?: unknown }).then === "function";
}
