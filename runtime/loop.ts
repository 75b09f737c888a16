/**
 * The one loop of a partition: takes inputs, applies them, commits, performs.
 *
 * Owns order: what is applied when, what is committed together, what leaves after what. The machine
 * owns what an input means; the store owns the disk; `perform` reaches the outside.
 *
 * 1. `apply` and `perform` are called from here and nowhere else; commits through the committer.
 * 2. A durable effect leaves when the batch that was open as it was made, and every batch before
 *    it, is durable. If nothing at all is undurable, it leaves when the epoch is confirmed.
 * 3. A failed commit, or a machine that throws, ends everything: `onFatal` once, then nothing is
 *    applied or performed any more.
 * 4. Time never goes back, also across a restart: the highest time seen is part of each batch.
 * 5. Requests from outside are applied in their order, and so is what workers say. Between the two there is
 *    none: what goes on goes before what begins, see seal-time.ts.
 * 6. Nothing here is quick because it hopes so: a commit may take seconds, and several may be in
 *    flight one day.
 */
import type { Clock } from "./clock.ts";
import { Committer } from "./committer.ts";
import { readVital } from "./core/damage.ts";
import type { Effect } from "./core/effect.ts";
import type { Input } from "./core/input.ts";
import { CLOCK_HIGH_WATER } from "./core/keys.ts";
import { decodeNumber, encodeNumber } from "./core/rows.ts";
import { InputQueue, isRequest } from "./input-queue.ts";
import type { Machine } from "./machine.ts";
import { Outlet } from "./outlet.ts";
import { SealTime } from "./seal-time.ts";
import { Overlay } from "./store/overlay.ts";
import type { Store } from "./store/store.ts";

/**
 * Inputs of one turn from each of the two queues, so that frames leave and commits are noticed in between: workers are at the first of
 * a thousand starts while the others are made.
 */
const INPUTS_PER_TURN_MAX = 128;
/** Above this much undurable data no input is taken. */
const UNDURABLE_BYTES_MAX = 16 * 1024 * 1024;

export interface LoopOptions {
  readonly machine: Machine;
  readonly store: Store;
  readonly clock: Clock;
  readonly perform: (effect: Effect) => void;
  readonly onFatal: (error: Error) => void;
  readonly partition?: number;
  /**
   * After the effects of a turn: frames can leave while the commit is prepared. What a commit let go
   * leaves with the turn that follows it, in one frame.
   */
  readonly afterPerform?: () => void;
  /** true: more is undurable than is good, stop reading from sockets; false: go on. */
  readonly onPressure?: (pressed: boolean) => void;
  /** Runs the next turn. `setImmediate` unless a simulation decides. */
  readonly schedule?: (turn: () => void) => void;
  readonly commitsInFlightMax?: number;
}

export interface Loop {
  /** Queues an input; it is applied in a later turn, in the order of its kind: see above. */
  submit(input: Input): void;
  /** Recovers, and resolves when what recovery wrote is durable; rejects if that failed. Once. */
  start(): Promise<void>;
  /** Number of the last durable batch. */
  readonly watermark: number;
  /** Resolves when everything submitted so far is applied, durable and performed. */
  idle(): Promise<void>;
  /** Takes no more inputs; resolves when those taken are durable and their effects performed. */
  close(): Promise<void>;
}

export function createLoop(options: LoopOptions): Loop {
  return new PartitionLoop(options);
}

class PartitionLoop implements Loop {
  readonly #options: LoopOptions;
  readonly #overlay: Overlay;
  readonly #committer: Committer;
  readonly #outlet: Outlet;
  /** From outside, by HTTP mostly: what may begin something. */
  readonly #requests = new InputQueue();
  /** From workers, and what the process itself has to say: what goes on. */
  readonly #news = new InputQueue();
  readonly #sealTime = new SealTime();
  #nowMs: number;
  #highWaterMs: number;
  #watermark: number;
  #turnScheduled = false;
  #phase: "new" | "running" | "closing" | "dead" = "new";
  #failure: Error | undefined;
  #pressed = false;
  #confirming = false;
  #alarmAtMs: number | undefined;
  #idleWaiters: (() => void)[] = [];

  constructor(options: LoopOptions) {
    const { store, clock } = options;
    this.#options = options;
    this.#watermark = store.batchNumber;
    this.#overlay = new Overlay(store, store.batchNumber);
    this.#outlet = new Outlet(options.perform, () => clock.nowMs());
    const stored = store.get(CLOCK_HIGH_WATER);
    this.#highWaterMs = stored === undefined ? 0 : readVital(() => decodeNumber(stored));
    this.#nowMs = this.#highWaterMs;
    this.#committer = new Committer({
      store,
      clock,
      overlay: this.#overlay,
      partition: options.partition ?? 0,
      commitsInFlightMax: options.commitsInFlightMax ?? 1,
      onSeal: () => {
        this.#keepHighWater();
        this.#sealTime.sealed();
      },
      onDurable: (number) => this.#onDurable(number),
      onFatal: (error) => this.#die(error),
    });
    void store.failed.then((error) => this.#die(error));
  }

  get watermark(): number {
    return this.#watermark;
  }

  submit(input: Input): void {
    if (this.#phase === "closing" || this.#phase === "dead") return;
    if (isRequest(input)) this.#requests.push(input);
    else this.#news.push(input);
    this.#scheduleTurn();
  }

  async start(): Promise<void> {
    this.#readClock();
    this.#guard(() => this.#takeEffects(this.#options.machine.recover(this.#overlay, this.#nowMs)));
    this.#committer.demand();
    this.#committer.commitIfDue();
    this.#confirm();
    await this.#settled();
    if (this.#failure) throw this.#failure;
    this.#phase = "running";
    this.#scheduleTurn();
  }

  async idle(): Promise<void> {
    await this.#settled();
  }

  async close(): Promise<void> {
    if (this.#phase !== "dead") {
      this.#phase = "closing";
      this.#scheduleTurn();
      await this.#settled();
      this.#phase = "dead";
      this.#committer.stop();
    }
    this.#options.clock.setAlarm(undefined, () => undefined);
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled || this.#phase === "new" || this.#phase === "dead") return;
    this.#turnScheduled = true;
    const schedule = this.#options.schedule ?? setImmediate;
    schedule(() => {
      this.#turnScheduled = false;
      if (this.#phase !== "dead") this.#guard(() => this.#turn());
    });
  }

  /** Take, apply, perform what may run ahead, commit what somebody waits for. */
  #turn(): void {
    this.#readClock();
    const news = this.#take(this.#news, () => false);
    this.#takeRequests();
    this.#fireTimers();
    this.#options.afterPerform?.();
    // Only for what is written: a batch without writes would be waited for like any other, and another
    // demanded meanwhile, for ever.
    if (this.#phase === "closing" && this.#overlay.openWrites > 0) this.#committer.demand();
    if (this.#committer.due && this.#keepsOpen(news)) this.#scheduleTurn();
    else this.#committer.commitIfDue();
    this.#confirm();
    this.#setPressure(this.#overloaded());
    this.#setAlarm();
    if (this.#inputsWait && !this.#overloaded()) this.#scheduleTurn();
    this.#checkIdle();
  }

  #keepsOpen(news: number): boolean {
    return !this.#committer.overdue && this.#sealTime.waits(news);
  }

  get #inputsWait(): boolean {
    return this.#news.length + this.#requests.length > 0;
  }

  #takeRequests(): void {
    const crowded = (): boolean => this.#sealTime.crowded && !this.#committer.busy;
    const hold = this.#committer.due || crowded();
    if (this.#requests.length === 0 || (hold && this.#sealTime.holdsBack())) return;
    const taken = this.#take(this.#requests, hold ? () => false : crowded);
    if (taken > 0) this.#sealTime.letsIn();
  }

  /** Applies what waits in a queue, up to a bound or until it is `enough`; gives how many there were. */
  #take(queue: InputQueue, enough: () => boolean): number {
    const { machine } = this.#options;
    let taken = 0;
    while (taken < INPUTS_PER_TURN_MAX && !this.#overloaded() && !enough()) {
      const input = queue.take();
      if (input === undefined) break;
      taken++;
      this.#tellDiskWait(input);
      const bytesBefore = this.#overlay.openBytes;
      this.#sealTime.took(input);
      this.#takeEffects(machine.apply(this.#overlay, input, this.#nowMs));
      this.#committer.afterInput(this.#overlay.openBytes - bytesBefore);
    }
    return taken;
  }

  /** Only this side knows how long the disk held an attempt back: the machine learns it as a fact. */
  #tellDiskWait(input: Input): void {
    if (input.kind === "worker-lost") this.#outlet.forgetWaits(input.connection);
    if (input.kind !== "worker-message") return;
    const diskWaitMs = this.#outlet.takeWaitedMs(input.connection, input.message.attempt);
    if (diskWaitMs > 0) input.diskWaitMs = diskWaitMs;
  }

  #fireTimers(): void {
    const { machine } = this.#options;
    if (this.#phase === "closing" || this.#overloaded()) return;
    const due = machine.nextDueAtMs(this.#overlay);
    if (due === undefined || due > this.#nowMs) return;
    this.#takeEffects(machine.apply(this.#overlay, { kind: "timers-due" }, this.#nowMs));
  }

  #takeEffects(effects: readonly Effect[]): void {
    const { openWrites, openNumber } = this.#overlay;
    if (openWrites > 0) this.#committer.touch();
    // Without a write the open batch is what was sealed last: nothing newer was read.
    const batch = openWrites > 0 ? openNumber : openNumber - 1;
    for (const effect of effects) {
      this.#sealTime.made(effect);
      const waitsFor = effect.when === "now" ? this.#outlet.now(effect) : batch;
      if (effect.when === "durable") {
        if (batch > this.#watermark) this.#outlet.untilDurable(effect, batch);
        else this.#outlet.untilConfirmed(effect, batch);
      }
      const demands = effect.when === "now" || effect.demand;
      if (demands && waitsFor === openNumber) this.#committer.demand();
    }
  }

  /** One confirmation at a time, for all that wait as it is asked for. */
  #confirm(): void {
    if (this.#confirming || !this.#outlet.wantsConfirmation) return;
    this.#confirming = true;
    const round = this.#outlet.takeUnconfirmed();
    this.#options.store.confirm().then(
      () => {
        this.#confirming = false;
        if (this.#phase === "dead") return;
        this.#guard(() => {
          this.#outlet.confirmed(round);
          this.#options.afterPerform?.();
          this.#confirm();
        });
        this.#checkIdle();
      },
      (error: unknown) => this.#die(asError(error)),
    );
  }

  #onDurable(number: number): void {
    if (this.#phase === "dead") return;
    this.#watermark = number;
    this.#guard(() => {
      this.#outlet.release(number);
      // Else the turn that is scheduled below says when.
      if (!this.#sealTime.pays) this.#committer.commitIfDue();
    });
    this.#setPressure(this.#overloaded());
    this.#scheduleTurn();
    this.#checkIdle();
  }

  #readClock(): void {
    this.#nowMs = Math.max(this.#nowMs, this.#options.clock.nowMs());
  }

  #keepHighWater(): void {
    if (this.#nowMs === this.#highWaterMs) return;
    this.#highWaterMs = this.#nowMs;
    this.#overlay.put(CLOCK_HIGH_WATER, encodeNumber(this.#nowMs));
  }

  /** Wakes for the next timer and for a batch that has been open long enough. */
  #setAlarm(): void {
    const { machine, clock } = this.#options;
    const times = [this.#committer.sealAtMs()];
    if (!this.#overloaded() && this.#phase === "running") {
      times.push(machine.nextDueAtMs(this.#overlay));
    }
    const known = times.filter((it) => it !== undefined);
    const atMs = known.length === 0 ? undefined : Math.min(...known);
    if (atMs === this.#alarmAtMs && atMs !== undefined && atMs > this.#nowMs) return;
    this.#alarmAtMs = atMs;
    clock.setAlarm(atMs, () => {
      this.#alarmAtMs = undefined;
      this.#scheduleTurn();
    });
  }

  #overloaded(): boolean {
    return this.#committer.undurableBytes > UNDURABLE_BYTES_MAX;
  }

  #setPressure(pressed: boolean): void {
    if (pressed === this.#pressed) return;
    this.#pressed = pressed;
    this.#options.onPressure?.(pressed);
  }

  #isSettled(): boolean {
    const { openWrites } = this.#overlay;
    // Before the start is through, inputs only gather.
    const taken = !this.#inputsWait || this.#phase === "new";
    const quiet = taken && !this.#committer.busy && openWrites === 0;
    return quiet && this.#outlet.empty;
  }

  #settled(): Promise<void> {
    if (this.#phase === "dead") return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.#checkIdle();
    });
  }

  #checkIdle(): void {
    if (this.#idleWaiters.length === 0 || (this.#phase !== "dead" && !this.#isSettled())) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#die(asError(error));
    }
  }

  #die(error: Error): void {
    if (this.#phase === "dead") return;
    this.#phase = "dead";
    this.#failure = error;
    this.#committer.stop();
    this.#options.clock.setAlarm(undefined, () => undefined);
    this.#options.onFatal(error);
    this.#checkIdle();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
