/**
 * When the open batch is closed: soon after somebody waits for it, but if possible not in the middle of
 * what has begun in it. And how much begins in it, so that the disk and this thread are at work both.
 *
 * An invocation that begins and ends within one batch writes its record and hardly anything else. If a
 * border falls between, the same invocation writes all that it is made of (record, input, journal, lock,
 * mark of its attempt), and takes most of it away again in the next batch: three times as many rows. So as
 * long as some that began in the open batch are about to end, it is kept open a little, and nothing new
 * begins meanwhile. And as long as the disk has nothing to do only a few begin: were all who wait served
 * together, everybody would wait for the disk, and then the disk for everybody.
 *
 * 1. Only attempts that may end at once are waited for: not those that wait for the commit itself (a go).
 * 2. All waiting is bounded by turns of the loop: with nothing to do a turn takes microseconds, and a busy
 *    one is at the very work that is waited for. Where turns are long (handlers in the same process that
 *    compute) the loop ends it: no batch stays open for longer than it may, see committer.ts.
 * 3. It decides nothing but the moment: any batch border is correct, and so is any order of a request and
 *    what a worker says.
 */
import type { Effect } from "./core/effect.ts";
import type { ConnectionId, Input } from "./core/input.ts";

/** Turns in a row in which no worker said anything: whoever is at work takes longer. */
const QUIET_TURNS_MAX = 2;
const TURNS_MAX = 8;
/** Half of what a busy client has at once. A commit takes about as long as they do. */
const BEGINNERS_MAX = 32;

/** Handles of a connection are given in order: those above `before` began in the open batch. */
interface Beginners {
  before: number;
  newest: number;
  /** Those above `before` that are at work. */
  open: number;
}

export class SealTime {
  readonly #beginners = new Map<ConnectionId, Beginners>();
  /** Of all connections. */
  #open = 0;
  #quietTurns = 0;
  #turns = 0;
  /** Turns in a row in which nothing that waited began. */
  #turnsHeld = 0;

  /** Whether some that began in the open batch are at work. */
  get pays(): boolean {
    return this.#open > 0;
  }

  /** Whether so many of them are at work that others had better begin in the next batch. */
  get crowded(): boolean {
    return this.#open >= BEGINNERS_MAX;
  }

  /** An effect was made in the open batch. */
  made(effect: Effect): void {
    if (effect.kind !== "message") return;
    if (effect.message.kind === "start") this.#began(effect.connection, effect.attempt);
    // Its closure starts when the batch is durable.
    else if (effect.message.kind === "go") this.#leaves(effect.connection, effect.attempt);
  }

  /** An input was taken. */
  took(input: Input): void {
    if (input.kind === "worker-message") {
      const { kind, attempt } = input.message;
      if (kind === "end" || kind === "fail" || kind === "suspend") {
        this.#leaves(input.connection, attempt);
      }
    } else if (input.kind === "worker-lost") {
      this.#open -= this.#beginners.get(input.connection)?.open ?? 0;
      this.#beginners.delete(input.connection);
    }
  }

  /**
   * What would begin now had better be left for the next batch. Whether it is: not for many turns in a row, also
   * where each of them closes a batch.
   */
  holdsBack(): boolean {
    if (this.#turnsHeld === TURNS_MAX) return false;
    this.#turnsHeld++;
    return true;
  }

  /** Some of what waited begins. */
  letsIn(): void {
    this.#turnsHeld = 0;
  }

  /** The batch is wanted, at the end of a turn with so many inputs of workers. Whether it is kept open. */
  waits(inputs: number): boolean {
    this.#quietTurns = inputs > 0 ? 0 : this.#quietTurns + 1;
    return this.pays && this.#quietTurns < QUIET_TURNS_MAX && this.#turns++ < TURNS_MAX;
  }

  sealed(): void {
    for (const it of this.#beginners.values()) {
      it.before = it.newest;
      it.open = 0;
    }
    this.#open = 0;
    this.#quietTurns = 0;
    this.#turns = 0;
  }

  #began(connection: ConnectionId, handle: number): void {
    let it = this.#beginners.get(connection);
    if (it === undefined) {
      it = { before: 0, newest: 0, open: 0 };
      this.#beginners.set(connection, it);
    }
    it.newest = Math.max(it.newest, handle);
    it.open++;
    this.#open++;
  }

  #leaves(connection: ConnectionId, handle: number): void {
    const it = this.#beginners.get(connection);
    if (it === undefined || handle <= it.before || it.open === 0) return;
    it.open--;
    this.#open--;
  }
}
