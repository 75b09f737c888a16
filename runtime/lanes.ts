/**
 * The lanes of the outlet: one for each attempt on each connection, and one for the connection itself. A lane
 * is there as long as it holds something, or knows how long it did and nobody has asked.
 *
 * In maps of numbers, and no names put together for each step: docs/performance.md.
 */
import { NumberMap } from "../protocol/number-map.ts";
import type { Effect } from "./core/effect.ts";
import type { ConnectionId } from "./core/input.ts";

export interface Held {
  effect: Effect;
  /** The batch it waits for; that of its predecessor in the lane if it could have gone at once. */
  readonly batch: number;
  readonly lane: Lane | undefined;
  ready: boolean;
}

export interface Lane {
  readonly connection: ConnectionId;
  readonly attempt: number;
  /** On their way out, first to last. */
  readonly queue: Held[];
  /** When the first of those that it holds without a break was held; infinite once nobody asks. */
  sinceMs: number;
  /** How long it held something before that, not yet taken. */
  waitedMs: number;
}

export class Lanes {
  readonly #byConnection = new Map<ConnectionId, NumberMap<Lane>>();

  find(connection: ConnectionId, attempt: number): Lane | undefined {
    return this.#byConnection.get(connection)?.get(attempt);
  }

  /** The lane of an effect, if it is there. */
  of(effect: Effect): Lane | undefined {
    if (effect.kind === "message") return this.find(effect.connection, effect.attempt);
    return effect.kind === "close-connection" ? this.find(effect.connection, 0) : undefined;
  }

  ofConnection(connection: ConnectionId): readonly Lane[] {
    return this.#byConnection.get(connection)?.values() ?? [];
  }

  all(): readonly Lane[] {
    return [...this.#byConnection.values()].flatMap((lanes) => lanes.values());
  }

  /** Undefined for an effect that needs none. */
  open(effect: Effect): Lane | undefined {
    if (effect.kind !== "message" && effect.kind !== "close-connection") return undefined;
    const { connection } = effect;
    const attempt = effect.kind === "message" ? effect.attempt : 0;
    const lane: Lane = { connection, attempt, queue: [], sinceMs: 0, waitedMs: 0 };
    let lanes = this.#byConnection.get(connection);
    if (lanes === undefined) {
      lanes = new NumberMap();
      this.#byConnection.set(connection, lanes);
    }
    lanes.set(attempt, lane);
    return lane;
  }

  /** Unless there is still something in it. */
  closeIfEmpty({ connection, attempt, queue, waitedMs }: Lane): void {
    if (queue.length > 0 || waitedMs > 0) return;
    const lanes = this.#byConnection.get(connection);
    lanes?.delete(attempt);
    if (lanes?.size === 0) this.#byConnection.delete(connection);
  }
}
