/**
 * Effects on their way out: performed now, or when their batch is durable.
 *
 * 1. Durable effects leave in the order in which they were made, each when its batch is durable.
 * 2. Within a lane (one attempt on one connection) everything leaves in the order in which it was
 *    made: a "now" behind a "durable" that waits, waits with it.
 */
import type { Effect } from "./core/effect.ts";

interface Waiting {
  readonly batch: number;
  readonly effect: Effect;
}

export class Outlet {
  readonly #perform: (effect: Effect) => void;
  #waiting: Waiting[] = [];
  #head = 0;
  /** How many effects of a lane wait. */
  readonly #lanes = new Map<string, number>();

  constructor(perform: (effect: Effect) => void) {
    this.#perform = perform;
  }

  get empty(): boolean {
    return this.#head === this.#waiting.length;
  }

  /** Takes an effect; true when it now waits for batch `openBatch`. */
  take(effect: Effect, openBatch: number): boolean {
    const lane = laneOf(effect);
    if (effect.when === "now" && (lane === undefined || !this.#lanes.has(lane))) {
      this.#perform(effect);
      return false;
    }
    this.#waiting.push({ batch: openBatch, effect });
    if (lane !== undefined) this.#lanes.set(lane, (this.#lanes.get(lane) ?? 0) + 1);
    return true;
  }

  /** Everything up to this batch is durable. */
  release(watermark: number): void {
    for (;;) {
      const next = this.#waiting[this.#head];
      if (next === undefined || next.batch > watermark) break;
      this.#head++;
      this.#leaveLane(next.effect);
      this.#perform(next.effect);
    }
    if (this.#head > 1_024 || this.empty) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }

  #leaveLane(effect: Effect): void {
    const lane = laneOf(effect);
    if (lane === undefined) return;
    const left = (this.#lanes.get(lane) ?? 1) - 1;
    if (left === 0) this.#lanes.delete(lane);
    else this.#lanes.set(lane, left);
  }
}

function laneOf(effect: Effect): string | undefined {
  if (effect.kind !== "message" || effect.attempt === 0) return undefined;
  return `${effect.connection}/${effect.attempt}`;
}
