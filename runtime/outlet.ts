/**
 * Effects on their way out: performed now, or held until what they depend on is durable.
 *
 * Owns the order in which effects leave. The loop owns when something became durable.
 *
 * 1. An effect that waits for a batch leaves when that batch is durable; those that wait for the
 *    same or earlier batches have left before it.
 * 2. An effect for which nothing is left to become durable waits for a confirmation that was asked
 *    for after the effect was made: an older one says nothing about what it was computed from.
 * 3. Within a lane (one attempt on one connection, or the connection itself) everything leaves in
 *    the order in which it was made, whatever each of them waits for. Of acknowledgements in a row
 *    that wait for the same batch the last one leaves.
 * 4. As long as something is held in the lane of an attempt, that attempt waits for the disk. The
 *    time is kept until it is taken, or the attempt is aborted or its connection lost.
 */
import { assert } from "../protocol/assert.ts";
import type { Effect } from "./core/effect.ts";
import type { ConnectionId } from "./core/input.ts";
import { Lanes, type Held, type Lane } from "./lanes.ts";

/** Times of attempts that nobody has asked for yet: beyond that they are forgotten, and all of them. */
const WAITS_MAX = 10_000;

export class Outlet {
  readonly #perform: (effect: Effect) => void;
  readonly #nowMs: () => number;
  /** In the order of their batches. */
  #byBatch: Held[] = [];
  #head = 0;
  #unconfirmed: Held[] = [];
  readonly #lanes = new Lanes();
  /** How many lanes know of a time that is not yet taken. */
  #waits = 0;
  #held = 0;

  constructor(perform: (effect: Effect) => void, nowMs: () => number) {
    this.#perform = perform;
    this.#nowMs = nowMs;
  }

  get empty(): boolean {
    return this.#held === 0;
  }

  get wantsConfirmation(): boolean {
    return this.#unconfirmed.length > 0;
  }

  /** Performs it, unless its lane waits: then it gives the batch that it now waits for. */
  now(effect: Effect): number | undefined {
    const lane = this.#lanes.of(effect);
    const before = lane?.queue.at(-1);
    if (before === undefined) {
      this.#perform(effect);
      return undefined;
    }
    this.#hold(effect, before.batch, true);
    return before.batch;
  }

  /** Holds it until this batch is durable. */
  untilDurable(effect: Effect, batch: number): void {
    if (isAck(effect)) {
      // The last one says all that those before it say.
      const last = this.#lanes.of(effect)?.queue.at(-1);
      if (last !== undefined && !last.ready && last.batch === batch && isAck(last.effect)) {
        last.effect = effect;
        return;
      }
    }
    this.#byBatch.push(this.#hold(effect, batch, false));
  }

  /** Holds it until the epoch is confirmed; `batch` is durable already. */
  untilConfirmed(effect: Effect, batch: number): void {
    this.#unconfirmed.push(this.#hold(effect, batch, false));
  }

  /** Everything up to this batch is durable. */
  release(watermark: number): void {
    for (;;) {
      const next = this.#byBatch[this.#head];
      if (next === undefined || next.batch > watermark) break;
      this.#head++;
      this.#let(next);
    }
    if (this.#head > 1_024 || this.#head === this.#byBatch.length) {
      this.#byBatch = this.#byBatch.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Those that a confirmation asked for now will answer; given back to `confirmed`. */
  takeUnconfirmed(): readonly Held[] {
    const round = this.#unconfirmed;
    this.#unconfirmed = [];
    return round;
  }

  confirmed(round: readonly Held[]): void {
    for (const it of round) this.#let(it);
  }

  /** How long an attempt has waited for the disk since this was last asked. */
  takeWaitedMs(connection: ConnectionId, attempt: number): number {
    if (this.#waits === 0) return 0;
    const lane = this.#lanes.find(connection, attempt);
    return lane === undefined ? 0 : this.#takeWait(lane);
  }

  /** The connection has ended: nobody will ask for its attempts any more. */
  forgetWaits(connection: ConnectionId): void {
    for (const lane of this.#lanes.ofConnection(connection)) {
      lane.sinceMs = Number.POSITIVE_INFINITY;
      this.#takeWait(lane);
    }
  }

  #takeWait(lane: Lane): number {
    const { waitedMs } = lane;
    if (waitedMs === 0) return 0;
    lane.waitedMs = 0;
    this.#waits--;
    this.#lanes.closeIfEmpty(lane);
    return waitedMs;
  }

  #hold(effect: Effect, batch: number, ready: boolean): Held {
    this.#held++;
    const lane = this.#lanes.of(effect) ?? this.#lanes.open(effect);
    const it = { effect, batch, lane, ready };
    if (lane === undefined) return it;
    if (lane.queue.length === 0) lane.sinceMs = this.#nowMs();
    lane.queue.push(it);
    return it;
  }

  /** It may go; so may those of its lane that waited only for it. */
  #let(it: Held): void {
    it.ready = true;
    const { lane } = it;
    if (lane === undefined) {
      this.#leave(it);
      return;
    }
    assert(lane.queue.length > 0, "a lane is empty, but one of its effects is held");
    let last: Held | undefined;
    while (lane.queue[0]?.ready) {
      last = lane.queue.shift();
      if (last) this.#leave(last);
    }
    if (lane.queue.length > 0) return;
    if (last) this.#keepWait(lane, last.effect, this.#nowMs() - lane.sinceMs);
    this.#lanes.closeIfEmpty(lane);
  }

  /** Of a clock that was set back nothing is kept. */
  #keepWait(lane: Lane, last: Effect, waitedMs: number): void {
    if (last.kind !== "message" || last.attempt === 0) return;
    if (last.message.kind === "abort") this.#takeWait(lane);
    else if (waitedMs > 0) {
      if (lane.waitedMs === 0) this.#waits++;
      lane.waitedMs += waitedMs;
      // An attempt may have ended with something still in its lane, and then nobody asks.
      if (this.#waits > WAITS_MAX) for (const it of this.#lanes.all()) this.#takeWait(it);
    }
  }

  #leave(it: Held): void {
    this.#held--;
    this.#perform(it.effect);
  }
}

function isAck(effect: Effect): boolean {
  return effect.kind === "message" && effect.message.kind === "ack";
}
