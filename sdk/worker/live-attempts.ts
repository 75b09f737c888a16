/**
 * The attempts of a connection: found by their handles, and those that seem to wait one behind the other, so
 * that a wish for room looks at one of them and not at a thousand.
 *
 * 1. Whoever only waits stands in the line: it says so each time when it begins to (`onIdle` of an attempt).
 *    Whether it still does is asked when it is its turn; if not, it leaves the line and will come again.
 * 2. Links of what has left are cut: a dead entry that the collector has not come to yet must not keep those
 *    behind it (protocol/number-map.ts).
 */
import { NumberMap } from "../../protocol/number-map.ts";
import type { Attempt } from "../attempt/attempt.ts";

interface Entry {
  readonly attempt: Attempt;
  before: Entry | undefined;
  behind: Entry | undefined;
  inLine: boolean;
}

export class LiveAttempts {
  readonly #entries = new NumberMap<Entry>();
  #first: Entry | undefined;
  #last: Entry | undefined;

  get size(): number {
    return this.#entries.size;
  }

  get(handle: number): Attempt | undefined {
    return this.#entries.get(handle)?.attempt;
  }

  add(handle: number, attempt: Attempt): void {
    this.#entries.set(handle, { attempt, before: undefined, behind: undefined, inLine: false });
  }

  /** Gives what was there. */
  delete(handle: number): Attempt | undefined {
    const entry = this.#entries.delete(handle);
    if (entry?.inLine) this.#leave(entry);
    return entry?.attempt;
  }

  /** In the order of their handles. */
  all(): Attempt[] {
    return this.#entries.values().map(({ attempt }) => attempt);
  }

  /** It only waits now. */
  waits(handle: number): void {
    const entry = this.#entries.get(handle);
    if (entry === undefined || entry.inLine) return;
    entry.inLine = true;
    entry.before = this.#last;
    if (this.#last) this.#last.behind = entry;
    else this.#first = entry;
    this.#last = entry;
  }

  /** Takes the first one out of the line: whether it still waits is for the caller to see. */
  takeFirstWaiting(): Attempt | undefined {
    const entry = this.#first;
    if (entry) this.#leave(entry);
    return entry?.attempt;
  }

  #leave(entry: Entry): void {
    const { before, behind } = entry;
    if (before) before.behind = behind;
    else this.#first = behind;
    if (behind) behind.before = before;
    else this.#last = before;
    entry.before = undefined;
    entry.behind = undefined;
    entry.inLine = false;
  }
}
