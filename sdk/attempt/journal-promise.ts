/**
 * What ctx calls return: a native promise that counts as handled, with a time limit to be had.
 * What `.then` derives from it is a plain promise.
 */
import { type Duration, durationToMs } from "../duration.ts";
import { isTerminal } from "../failure.ts";
import { TimeoutError, type TerminalError } from "../errors.ts";
import type { ContextPromise } from "../promise.ts";

/** A durable timer that can be taken back. */
export interface Timer {
  readonly due: Promise<void>;
  withdraw(): void;
}

export type StartTimer = (durationMs: number) => Timer;

type Executor<T> = (resolve: (value: T) => void, reject: (reason: unknown) => void) => void;

/** What a promise waits for in its turn. */
function isThenable(value: unknown): boolean {
  if (typeof value !== "function" && (typeof value !== "object" || value === null)) return false;
  return typeof (value as { readonly then?: unknown }).then === "function";
}

export class JournalPromise<T> extends Promise<T> implements ContextPromise<T> {
  static {
    // `.then` gives a plain promise: only the call itself stands in the journal. And `await` takes this
    // one as it is: of any other class it would make two promises more.
    void Object.defineProperty(this.prototype, "constructor", { value: Promise });
  }

  readonly #startTimer: StartTimer;

  constructor(startTimer: StartTimer, executor: Executor<T>) {
    let made = false;
    let hasValue = false;
    super((resolve, reject) => {
      executor((value) => {
        // Only then: the promise itself looks as well, and what is asked may throw.
        if (!made) hasValue = !isThenable(value);
        resolve(value);
      }, reject);
    });
    made = true;
    this.#startTimer = startTimer;
    // A promise of ctx that nobody looks at must not end the process when it rejects. One that has its
    // value never does: that spares a promise for each state that is read.
    if (!hasValue) this.catch(() => undefined);
  }

  orTimeout(duration: Duration): ContextPromise<T> {
    const timer = this.#startTimer(durationToMs(duration, "the duration of orTimeout"));
    return new JournalPromise<T>(this.#startTimer, (resolve, reject) => {
      let open = true;
      const settleFirst = (settle: () => void): void => {
        if (!open) return;
        open = false;
        timer.withdraw();
        settle();
      };
      this.then(
        (value) => settleFirst(() => resolve(value)),
        (reason: unknown) => settleFirst(() => reject(reason)),
      );
      timer.due.then(
        () => {
          if (open) reject(new TimeoutError());
          open = false;
        },
        (reason: unknown) => {
          if (open) reject(reason);
          open = false;
        },
      );
    });
  }

  map<U>(
    mapper: (value: T | undefined, failure: TerminalError | undefined) => U,
  ): ContextPromise<U> {
    return new JournalPromise<U>(this.#startTimer, (resolve, reject) => {
      this.then(
        (value) => resolve(mapper(value, undefined)),
        (reason: unknown) => {
          if (isTerminal(reason)) resolve(mapper(undefined, reason));
          else reject(reason);
        },
      ).catch(reject);
    });
  }
}
