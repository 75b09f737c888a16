/**
 * One attempt: runs a handler once against its journal, to its end, its failure or its suspension.
 *
 * The machine owns the order of things; this file says when a turn is due, and turns.ts gives it its
 * two adjacent `setImmediate`s: one opens it (starts the handler, or makes a delivery), one closes it.
 *
 * 1. Exactly one of `end`, `fail` and `suspend` is sent, and nothing after it.
 * 2. Nothing that user code does can end more than its own attempt.
 * 3. An attempt is suspended only while it waits for something that is not itself.
 */
import type { Failure } from "../../protocol/failure.ts";
import type {
  Deliver,
  FurtherState,
  Go,
  Replay,
  Start,
  WorkerMessage,
} from "../../protocol/message.ts";
import type { Result } from "../../protocol/payload.ts";
import type { RegisteredHandler } from "../definition.ts";
import { CancelledError } from "../errors.ts";
import { isTerminal, retryAfterMsOf, stackOf, toFailure } from "../failure.ts";
import { decode, encode } from "../serde/encode.ts";
import {
  bounded,
  callerLine,
  errorWithoutStack,
  missingProbe,
  silenceFailure,
} from "./attempt-text.ts";
import { bindContext } from "./bind-context.ts";
import { runInScope, type Scope } from "./current-attempt.ts";
import { InputError } from "./input-error.ts";
import { LazySignal } from "./lazy-signal.ts";
import { ReplayMachine } from "./machine.ts";
import { RunExecutor } from "./run-executor.ts";
import { StateView } from "./state-view.ts";
import { Turns, type Turn } from "./turns.ts";

export interface AttemptOptions {
  readonly start: Start;
  readonly handler: RegisteredHandler;
  readonly send: (message: WorkerMessage) => void;
  /** Warnings for whoever runs the worker. */
  readonly warn: (message: string) => void;
  /**
   * The attempt is over, however it came about. `left`: the state of its key, as far as it knows it,
   * if its handler settled.
   */
  readonly onEnded: (left: StateView | undefined) => void;
  /** It only waits now: it could make room. */
  readonly onIdle?: () => void;
  readonly inactivityTimeoutMs: number;
  readonly payloadBytesMax: number;
  /** Shared by the attempts of a worker. */
  readonly turns?: Turns;
  /** How long a replay waits for a command that was recorded from outside a turn. Default 10 s. */
  readonly replayTimeoutMs?: number;
}

const REPLAY_TIMEOUT_MS = 10_000;
const ABORT_TIMEOUT_MS = 10 * 60_000;
/** Node takes no longer timer: it would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Attempt {
  readonly #options: AttemptOptions;
  readonly #machine: ReplayMachine;
  readonly #runs: RunExecutor;
  readonly #state: StateView;
  readonly #turns: Turns;
  /** Why it is over; undefined while it is not. */
  #over: Error | undefined;
  readonly #signal = new LazySignal();
  #entriesMissing: number;
  #turnScheduled = false;
  #advanceScheduled = false;
  /** What was told with the last `idle`, so that it is told once. */
  #idleTold = "";
  #handlerSettled = false;
  #inactivity: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #replayLimit: NodeJS.Timeout | undefined;

  constructor(options: AttemptOptions) {
    const { start, handler, turns = new Turns() } = options;
    this.#options = options;
    this.#state = new StateView(start.state);
    this.#turns = turns;
    this.#entriesMissing = start.commandCount + start.deliveryCount;
    this.#machine = new ReplayMachine({
      issue: (command) => options.send({ kind: "command", attempt: start.attempt, command }),
      mismatch: (failure, command) => this.#fail(failure, { stack: "", command }),
      cancelled: () => this.#runs.cancelAll(new CancelledError()),
      outside: (what) => this.#warnOutside(what),
      wake: () => this.#advance(),
      waitsAnew: () => this.#advanceSoon(),
    });
    this.#runs = new RunExecutor({
      attempt: start.attempt,
      invocationId: start.invocationId,
      payloadBytesMax: options.payloadBytesMax,
      asTerminalError: handler.asTerminalError,
      send: options.send,
      scope: (run) => this.#scope(run),
      goAhead: (command) => this.#machine.receiveOwn(command),
      onReported: () => this.#advance(),
      onMissingProbe: (command, name) =>
        this.#fail(missingProbe(command, name), { stack: "", command }),
    });
    if (this.#entriesMissing === 0) this.#scheduleTurn();
  }

  replay({ entries }: Replay): void {
    for (const entry of entries) {
      this.#machine.load(entry);
      this.#entriesMissing--;
    }
    if (this.#entriesMissing === 0) this.#scheduleTurn();
  }

  learnState({ entries }: FurtherState): void {
    this.#state.learn(entries);
  }

  deliver({ delivery }: Deliver): void {
    if (!this.#machine.over) this.#machine.receive(delivery);
  }

  go(go: Go): void {
    if (!this.#machine.over) this.#runs.go(go);
  }

  /** The runtime, or the loss of the connection, ended it: nothing more is sent. */
  abort(reason: string): void {
    if (this.#machine.over && this.#over) return;
    this.#machine.stop();
    this.#finish(new Error(`the attempt is over: ${reason}`));
  }

  /** Whether it only waits, for something that is not itself. */
  get idle(): boolean {
    if (this.#machine.over || this.#turnScheduled || this.#entriesMissing > 0) return false;
    return (
      this.#machine.next() === "idle" && this.#machine.outstandingCount > 0 && !this.#runs.busy
    );
  }

  get executing(): boolean {
    return this.#runs.executing;
  }

  /** Leaves memory if it only waits. */
  trySuspend(): boolean {
    if (!this.idle) return false;
    const { send, start } = this.#options;
    send({ kind: "suspend", attempt: start.attempt, deliveries: this.#machine.made });
    this.#machine.stop();
    this.#finish(new Error("the attempt was suspended"));
    return true;
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#clearTimers();
    this.#turns.ask(this.#turn, !this.#handlerStarted);
  }

  readonly #turn: Turn = {
    open: () => {
      if (this.#machine.over) return;
      this.#machine.openTurn();
      if (!this.#handlerStarted) this.#startHandler();
    },
    close: () => {
      this.#turnScheduled = false;
      this.#machine.closeTurn();
      this.#advance();
    },
  };

  #handlerStarted = false;

  #startHandler(): void {
    this.#handlerStarted = true;
    const { start, handler, payloadBytesMax, warn } = this.#options;
    const context = bindContext({
      start,
      state: this.#state,
      handler,
      machine: this.#machine,
      runs: this.#runs,
      payloadBytesMax,
      attemptSignal: () => this.#signal.signal,
    });
    const scope = this.#scope(undefined);
    void runInScope(scope, async () => {
      try {
        const input = decodeInput(handler, start.input);
        const output = await handler.call(context, input);
        this.#end({ ok: true, value: encode(handler.output, output) });
      } catch (error) {
        this.#guard(() => this.#handlerThrew(error), warn);
      }
    });
  }

  #guard(act: () => void, warn: (message: string) => void): void {
    try {
      act();
    } catch (error) {
      warn(`an attempt broke: ${stackOf(error)}`);
    }
  }

  #handlerThrew(error: unknown): void {
    const mapped = isTerminal(error) ? error : this.#options.handler.asTerminalError?.(error);
    if (mapped) {
      this.#end({ ok: false, failure: toFailure(mapped) });
      return;
    }
    const stack = stackOf(error);
    this.#fail(toFailure(error), { stack, command: null, retryAfterMs: retryAfterMsOf(error) });
  }

  /** Code outside a turn may be about to issue more: its microtasks come first. */
  #advanceSoon(): void {
    if (this.#advanceScheduled) return;
    this.#advanceScheduled = true;
    setImmediate(() => {
      this.#advanceScheduled = false;
      this.#advance();
    });
  }

  /** After every turn, and whenever something came from outside one. */
  #advance(): void {
    if (this.#turnScheduled || this.#entriesMissing > 0 || !this.#handlerStarted) return;
    this.#clearTimers();
    const next = this.#machine.next();
    if (next === "deliver") this.#scheduleTurn();
    else if (next === "await-outside") {
      const limitMs = this.#options.replayTimeoutMs ?? REPLAY_TIMEOUT_MS;
      this.#replayLimit = setTimeout(() => this.#machine.outsideTimedOut(), limitMs);
    } else if (next === "idle" && this.idle) this.#startWaiting();
    else if (next === "idle" && !this.#runs.busy) this.#limitSilence();
  }

  #startWaiting(): void {
    const { inactivityTimeoutMs, onIdle } = this.#options;
    const timeoutMs = Math.min(inactivityTimeoutMs, TIMER_MS_MAX);
    this.#inactivity = setTimeout(() => this.trySuspend(), timeoutMs);
    this.#inactivity.unref();
    this.#tellIdle();
    onIdle?.();
  }

  /** With this the runtime finds deadlocks. */
  #tellIdle(): void {
    const { made, issued } = this.#machine;
    const now = `${made} ${issued}`;
    if (now === this.#idleTold || !this.#machine.waitsOnlyForOthers) return;
    this.#idleTold = now;
    const { send, start } = this.#options;
    send({ kind: "idle", attempt: start.attempt, deliveries: made });
  }

  /** It awaits something of its own, which nobody else can bring about. */
  #limitSilence(): void {
    const timeoutMs = this.#options.handler.abortTimeoutMs ?? ABORT_TIMEOUT_MS;
    const act = (): void => this.#fail(silenceFailure(timeoutMs), { stack: "", command: null });
    this.#silence = setTimeout(act, Math.min(timeoutMs, TIMER_MS_MAX));
    this.#silence.unref();
  }

  #clearTimers(): void {
    clearTimeout(this.#inactivity);
    clearTimeout(this.#silence);
    clearTimeout(this.#replayLimit);
  }

  #end(result: Result): void {
    if (this.#handlerSettled || !this.#machine.settle()) return;
    this.#handlerSettled = true;
    const { notStarted } = this.#runs;
    const { send, start, warn, payloadBytesMax } = this.#options;
    if (notStarted.length > 0) {
      warn(
        `${this.#where} ended before these runs had started, so they never will: ${notStarted.map((it) => `"${it}"`).join(", ")}; await them`,
      );
    }
    send({ kind: "end", attempt: start.attempt, result: bounded(result, payloadBytesMax) });
    this.#finish(errorWithoutStack("the handler has ended"), this.#state);
  }

  #fail(
    failure: Failure,
    more: {
      readonly stack: string;
      readonly command: number | null;
      readonly retryAfterMs?: number | null;
    },
  ): void {
    if (this.#over) return;
    this.#machine.stop();
    const { send, start, warn } = this.#options;
    const { stack, command, retryAfterMs = null } = more;
    send({ kind: "fail", attempt: start.attempt, failure, stack, command, retryAfterMs });
    warn(
      `${this.#where} failed and will be tried again: ${stack === "" ? failure.message : stack}`,
    );
    this.#finish(new Error(`the attempt failed: ${failure.message}`));
  }

  #finish(reason: Error, left?: StateView): void {
    if (this.#over) return;
    this.#over = reason;
    this.#clearTimers();
    this.#runs.stop(reason);
    this.#signal.abort(reason);
    this.#options.onEnded(left);
  }

  #scope(run: string | undefined): Scope {
    return { run, onUnhandledRejection: this.#onUnhandledRejection };
  }

  readonly #onUnhandledRejection = (reason: unknown): void => {
    if (this.#machine.over) return;
    if (isTerminal(reason)) this.#end({ ok: false, failure: toFailure(reason) });
    else this.#fail(toFailure(reason), { stack: stackOf(reason), command: null });
  };

  #warnOutside(what: string): void {
    // The code goes on; once it waits again, for whatever it is now, the limits of waiting count anew.
    setImmediate(() => this.#advance());
    if (this.#machine.replaying) return;
    this.#options.warn(
      `${this.#where} called ctx from outside a turn, after awaiting something that is not a ctx promise: ${what}${callerLine()}. Put what it awaited into ctx.run.`,
    );
  }

  get #where(): string {
    const { target, invocationId } = this.#options.start;
    return `${target.service}/${target.handler} ${invocationId}`;
  }
}

/** A body that the handler's serde refuses is the caller's mistake: 400, and no retry. */
function decodeInput(handler: RegisteredHandler, bytes: Uint8Array): unknown {
  try {
    return decode(handler.input, bytes);
  } catch (error) {
    throw new InputError(toFailure(error).message);
  }
}
