/**
 * One attempt: runs a handler once against its journal, to its end, its failure or its suspension.
 *
 * The machine owns the order of things; this file says when a turn is due, and turns.ts gives it its
 * two adjacent `setImmediate`s: one opens it (starts the handler, or makes a delivery), one closes it.
 *
 * 1. Exactly one of `end`, `fail` and `suspend` is sent, and nothing after it.
 * 2. Nothing that user code does can end more than its own attempt.
 * 3. An attempt is suspended only while it waits for something that is not itself.
 *
 * Some are over within microseconds, and what they are made of is then garbage. So the parts ask the
 * attempt itself, by methods and not by closures made for each, and what most attempts do not need is
 * made when it is asked for.
 */
import type { Failure } from "../../protocol/failure.ts";
import type { Command } from "../../protocol/command.ts";
import type {
  AttemptHandle,
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
import { runInScope, type ScopeHost } from "./current-attempt.ts";
import { InputError } from "./input-error.ts";
import { makeContext, type ContextHost } from "./lazy-context.ts";
import { ReplayMachine, type MachineHost } from "./machine.ts";
import { RunExecutor, type RunHost } from "./run-executor.ts";
import { StateView } from "./state-view.ts";
import { Turns, type Turn } from "./turns.ts";

/** What the attempts of a connection have in common. */
export interface AttemptHost {
  readonly send: (message: WorkerMessage) => void;
  /** Warnings for whoever runs the worker. */
  readonly warn: (message: string) => void;
  /**
   * The attempt is over, however it came about. `left`: the state of its key, as far as it knows it,
   * if its handler settled.
   */
  readonly onEnded: (attempt: AttemptHandle, left: StateView | undefined) => void;
  /** It only waits now: it could make room. */
  readonly onIdle?: (attempt: AttemptHandle) => void;
  /** Unless its handler has one of its own. */
  readonly inactivityTimeoutMs: number;
  readonly payloadBytesMax: number;
  readonly turns?: Turns;
  /** How long a replay waits for a command that was recorded from outside a turn. Default 10 s. */
  readonly replayTimeoutMs?: number;
}

const REPLAY_TIMEOUT_MS = 10_000;
const ABORT_TIMEOUT_MS = 10 * 60_000;
/** Node takes no longer timer: it would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Attempt implements MachineHost, RunHost, ContextHost, ScopeHost, Turn {
  readonly start: Start;
  readonly handler: RegisteredHandler;
  readonly state: StateView;
  readonly machine: ReplayMachine;
  readonly #host: AttemptHost;
  readonly #turns: Turns;
  #runs: RunExecutor | undefined;
  #aborter: AbortController | undefined;
  /** Why it is over; undefined while it is not. */
  #over: string | undefined;
  #entriesMissing: number;
  #handlerStarted = false;
  #turnScheduled = false;
  #advanceScheduled = false;
  /** At how many deliveries and commands `idle` was told last, so that it is told once. */
  #idleToldAt = -1;
  /** Of the one thing that it waits for. */
  #timer: NodeJS.Timeout | undefined;

  constructor(start: Start, handler: RegisteredHandler, host: AttemptHost) {
    this.start = start;
    this.handler = handler;
    this.state = new StateView(start.state);
    this.machine = new ReplayMachine(this);
    this.#host = host;
    this.#turns = host.turns ?? new Turns();
    this.#entriesMissing = start.commandCount + start.deliveryCount;
    if (this.#entriesMissing === 0) this.#scheduleTurn();
  }

  replay({ entries }: Replay): void {
    this.machine.load(entries);
    this.#entriesMissing -= entries.length;
    if (this.#entriesMissing === 0) this.#scheduleTurn();
  }

  learnState({ entries }: FurtherState): void {
    this.state.learn(entries);
  }

  deliver({ delivery }: Deliver): void {
    if (!this.machine.over) this.machine.receive(delivery);
  }

  go(go: Go): void {
    if (!this.machine.over) this.runs.go(go);
  }

  /** The runtime, or the loss of the connection, ended it: nothing more is sent. */
  abort(reason: string): void {
    if (this.#over !== undefined) return;
    this.machine.stop();
    this.#finish(`the attempt is over: ${reason}`);
  }

  /** Whether it only waits, for something that is not itself. */
  get idle(): boolean {
    if (this.machine.over || this.#turnScheduled || this.#entriesMissing > 0) return false;
    return this.machine.next() === "idle" && this.machine.outstandingCount > 0 && !this.#busy;
  }

  get executing(): boolean {
    return this.#runs?.executing ?? false;
  }

  /** Leaves memory if it only waits. */
  trySuspend(): boolean {
    if (!this.idle) return false;
    this.send({ kind: "suspend", attempt: this.start.attempt, deliveries: this.machine.made });
    this.machine.stop();
    this.#finish("the attempt was suspended");
    return true;
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#clearTimer();
    this.#turns.ask(this, !this.#handlerStarted);
  }

  /** As a Turn. */
  open(): void {
    if (this.machine.over) return;
    this.machine.openTurn();
    if (this.#handlerStarted) return;
    this.#handlerStarted = true;
    void runInScope({ run: undefined, attempt: this }, () => this.#runHandler());
  }

  /** As a Turn. */
  close(): void {
    this.#turnScheduled = false;
    this.machine.closeTurn();
    this.#advance();
  }

  async #runHandler(): Promise<void> {
    const { handler, start } = this;
    try {
      const input = decodeInput(handler, start.input);
      const output = await handler.call(makeContext(this), input);
      this.#end({ ok: true, value: encode(handler.output, output) });
    } catch (error) {
      this.#guard(() => this.#handlerThrew(error));
    }
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#host.warn(`an attempt broke: ${stackOf(error)}`);
    }
  }

  #handlerThrew(error: unknown): void {
    const mapped = isTerminal(error) ? error : this.handler.asTerminalError?.(error);
    if (mapped) {
      this.#end({ ok: false, failure: toFailure(mapped) });
      return;
    }
    const stack = stackOf(error);
    this.#fail(toFailure(error), { stack, command: null, retryAfterMs: retryAfterMsOf(error) });
  }

  /** After every turn, and whenever something came from outside one. */
  #advance(): void {
    if (this.#turnScheduled || this.#entriesMissing > 0 || !this.#handlerStarted) return;
    this.#clearTimer();
    const next = this.machine.next();
    if (next === "deliver") this.#scheduleTurn();
    else if (next === "await-outside") {
      const limitMs = this.#host.replayTimeoutMs ?? REPLAY_TIMEOUT_MS;
      this.#timer = setTimeout(() => this.machine.outsideTimedOut(), limitMs);
    } else if (next === "idle" && this.idle) this.#startWaiting();
    else if (next === "idle" && !this.#busy) this.#limitSilence();
  }

  #startWaiting(): void {
    const host = this.#host;
    const timeoutMs = this.handler.manifest.inactivityTimeoutMs ?? host.inactivityTimeoutMs;
    this.#timer = setTimeout(() => this.trySuspend(), Math.min(timeoutMs, TIMER_MS_MAX));
    this.#timer.unref();
    this.#tellIdle();
    host.onIdle?.(this.start.attempt);
  }

  /** With this the runtime finds deadlocks. */
  #tellIdle(): void {
    const { made, issued } = this.machine;
    // Neither of them ever falls: so their sum says whether one has grown.
    const now = made + issued;
    if (now === this.#idleToldAt || !this.machine.waitsOnlyForOthers) return;
    this.#idleToldAt = now;
    this.send({ kind: "idle", attempt: this.start.attempt, deliveries: made });
  }

  /** It awaits something of its own, which nobody else can bring about. */
  #limitSilence(): void {
    const timeoutMs = this.handler.abortTimeoutMs ?? ABORT_TIMEOUT_MS;
    const act = (): void => this.#fail(silenceFailure(timeoutMs), { stack: "", command: null });
    this.#timer = setTimeout(act, Math.min(timeoutMs, TIMER_MS_MAX));
    this.#timer.unref();
  }

  #clearTimer(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #end(result: Result): void {
    if (!this.machine.settle()) return;
    const notStarted = this.#runs?.notStarted ?? [];
    if (notStarted.length > 0) {
      this.#host.warn(
        `${this.#where} ended before these runs had started, so they never will: ${notStarted.map((it) => `"${it}"`).join(", ")}; await them`,
      );
    }
    const carried = bounded(result, this.payloadBytesMax);
    this.send({ kind: "end", attempt: this.start.attempt, result: carried });
    this.#finish("the handler has ended", this.state);
  }

  #fail(
    failure: Failure,
    more: {
      readonly stack: string;
      readonly command: number | null;
      readonly retryAfterMs?: number | null;
    },
  ): void {
    if (this.#over !== undefined) return;
    this.machine.stop();
    const { attempt } = this.start;
    const { stack, command, retryAfterMs = null } = more;
    this.send({ kind: "fail", attempt, failure, stack, command, retryAfterMs });
    this.#host.warn(
      `${this.#where} failed and will be tried again: ${stack === "" ? failure.message : stack}`,
    );
    this.#finish(`the attempt failed: ${failure.message}`);
  }

  #finish(reason: string, left?: StateView): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#clearTimer();
    // Most have had neither.
    if (this.#runs || this.#aborter) {
      const error = errorWithoutStack(reason);
      this.#runs?.stop(error);
      this.#aborter?.abort(error);
    }
    this.#host.onEnded(this.start.attempt, left);
  }

  /** As a ScopeHost. */
  rejected(reason: unknown): void {
    if (this.machine.over) return;
    if (isTerminal(reason)) this.#end({ ok: false, failure: toFailure(reason) });
    else this.#fail(toFailure(reason), { stack: stackOf(reason), command: null });
  }

  get payloadBytesMax(): number {
    return this.#host.payloadBytesMax;
  }

  send(message: WorkerMessage): void {
    this.#host.send(message);
  }

  get runs(): RunExecutor {
    return (this.#runs ??= new RunExecutor(this));
  }

  get #busy(): boolean {
    return this.#runs?.busy ?? false;
  }

  get signal(): AbortSignal {
    if (this.#aborter === undefined) {
      this.#aborter = new AbortController();
      if (this.#over !== undefined) this.#aborter.abort(errorWithoutStack(this.#over));
    }
    return this.#aborter.signal;
  }

  /** As a RunHost. */
  goAhead(command: number): number | null {
    return this.machine.receiveOwn(command);
  }

  /** As a RunHost. */
  reported(): void {
    this.#advance();
  }

  /** As a RunHost. */
  missesProbe(command: number, name: string): void {
    this.#fail(missingProbe(command, name), { stack: "", command });
  }

  /** As a MachineHost. */
  issue(command: Command): void {
    this.send({ kind: "command", attempt: this.start.attempt, command });
  }

  /** As a MachineHost. */
  mismatch(failure: Failure, command: number | null): void {
    this.#fail(failure, { stack: "", command });
  }

  /** As a MachineHost. */
  cancelled(): void {
    this.#runs?.cancelAll(new CancelledError());
  }

  /** As a MachineHost. */
  wake(): void {
    this.#advance();
  }

  /** As a MachineHost: the code outside a turn may be about to issue more, and its microtasks come first. */
  waitsAnew(): void {
    if (this.#advanceScheduled) return;
    this.#advanceScheduled = true;
    setImmediate(() => {
      this.#advanceScheduled = false;
      this.#advance();
    });
  }

  /** As a MachineHost. */
  outside(what: string): void {
    // The code goes on; once it waits again, for whatever it is now, the limits of waiting count anew.
    setImmediate(() => this.#advance());
    if (this.machine.replaying) return;
    this.#host.warn(
      `${this.#where} called ctx from outside a turn, after awaiting something that is not a ctx promise: ${what}${callerLine()}. Put what it awaited into ctx.run.`,
    );
  }

  get #where(): string {
    const { target, invocationId } = this.start;
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
