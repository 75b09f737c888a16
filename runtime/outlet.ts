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
 *    the order in which it was made, whatever each of them waits for.
 */
import { assert } from "../protocol/assert.ts";
import type { Effect } from "./core/effect.ts";

export interface Held {
  readonly effect: Effect;
  /** The batch it waits for; that of its predecessor in the lane if it could have gone at once. */
  readonly batch: number;
  readonly lane: string | undefined;
  ready: boolean;
}

export class Outlet {
  readonly #perform: (effect: Effect) => void;
  /** In the order of their batches. */
  #byBatch: Held[] = [];
  #head = 0;
  #unconfirmed: Held[] = [];
  /** Those on their way out of each lane, first to last. */
  readonly #lanes = new Map<string, Held[]>();
  #held = 0;

  constructor(perform: (effect: Effect) => void) {
    this.#perform = perform;
  }

  get empty(): boolean {
    return this.#held === 0;
  }

  get wantsConfirmation(): boolean {
    return this.#unconfirmed.length > 0;
  }

  /** Performs it, unless its lane waits: then it gives the batch that it now waits for. */
  now(effect: Effect): number | undefined {
    const lane = laneOf(effect);
    const before = lane === undefined ? undefined : this.#lanes.get(lane)?.at(-1);
    if (before === undefined) {
      this.#perform(effect);
      return undefined;
    }
    this.#hold({ effect, batch: before.batch, lane, ready: true });
    return before.batch;
  }

  /** Holds it until this batch is durable. */
  untilDurable(effect: Effect, batch: number): void {
    this.#byBatch.push(this.#hold({ effect, batch, lane: laneOf(effect), ready: false }));
  }

  /** Holds it until the epoch is confirmed; `batch` is durable already. */
  untilConfirmed(effect: Effect, batch: number): void {
    this.#unconfirmed.push(this.#hold({ effect, batch, lane: laneOf(effect), ready: false }));
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

  #hold(it: Held): Held {
    this.#held++;
    if (it.lane === undefined) return it;
    const queue = this.#lanes.get(it.lane);
    if (queue === undefined) this.#lanes.set(it.lane, [it]);
    else queue.push(it);
    return it;
  }

  /** It may go; so may those of its lane that waited only for it. */
  #let(it: Held): void {
    it.ready = true;
    if (it.lane === undefined) {
      this.#leave(it);
      return;
    }
    const queue = this.#lanes.get(it.lane);
    assert(queue !== undefined, `lane ${it.lane} is empty, but one of its effects is held`);
    while (queue[0]?.ready) {
      const first = queue.shift();
      if (first) this.#leave(first);
    }
    if (queue.length === 0) this.#lanes.delete(it.lane);
  }

  #leave(it: Held): void {
    this.#held--;
    this.#perform(it.effect);
  }
}

function laneOf(effect: Effect): string | undefined {
  switch (effect.kind) {
    case "message":
      return `${effect.connection}/${effect.attempt}`;
    case "close-connection":
      return `${effect.connection}/0`;
    case "respond":
    case "warn":
      return undefined;
  }
}
