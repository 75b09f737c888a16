/**
 * What ctx calls return: a native promise with a time limit to be had. What `.then` derives from it is a
 * plain promise. Whoever makes one sees to it that it counts as handled.
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

export interface Timers {
  startTimer(durationMs: number): Timer;
}

type Executor<T> = (resolve: (value: T) => void, reject: (reason: unknown) => void) => void;

export function ignore(): void {}

export class JournalPromise<T> extends Promise<T> implements ContextPromise<T> {
  static {
    // `.then` gives a plain promise: only the call itself stands in the journal. And `await` takes this
    // one as it is: of any other class it would make two promises more.
    void Object.defineProperty(this.prototype, "constructor", { value: Promise });
  }

  readonly #timers: Timers;

  constructor(timers: Timers, executor: Executor<T>) {
    super(executor);
    this.#timers = timers;
  }

  orTimeout(duration: Duration): ContextPromise<T> {
    const timer = this.#timers.startTimer(durationToMs(duration, "the duration of orTimeout"));
    return this.#derive<T>((resolve, reject) => {
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
    return this.#derive<U>((resolve, reject) => {
      this.then(
        (value) => resolve(mapper(value, undefined)),
        (reason: unknown) => {
          if (isTerminal(reason)) resolve(mapper(undefined, reason));
          else reject(reason);
        },
      ).catch(reject);
    });
  }

  #derive<U>(executor: Executor<U>): ContextPromise<U> {
    const derived = new JournalPromise<U>(this.#timers, executor);
    derived.catch(ignore);
    return derived;
  }
}
