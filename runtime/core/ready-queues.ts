/**
 * What memory knows of the ready queues: which of them may hold rows, and who stands first there. It spares
 * each start two reads of a range, which pass over all rows that were taken and are not off the disk yet. The
 * rows rule.
 *
 * 1. A queue that is not in here is empty.
 * 2. Whoever inserts or removes a row says so here. No row of a queue has a lower number than `from`, and
 *    `ahead` are its first rows, all of them up to the last one in it.
 * 3. It is bounded: a few numbers for each queue, however many stand in it.
 */
import { prefixEnd, readU48, u48, type Sequence } from "./keys.ts";
import type { ReadTx, RowKey } from "./tx.ts";

/** Rows read at once. */
const AHEAD_READ = 64;
const AHEAD_MAX = 2 * AHEAD_READ;

interface Queue {
  from: Sequence;
  /** In their order. */
  ahead: Sequence[];
  /** There are no others than those ahead. */
  complete: boolean;
}

export class ReadyQueues {
  readonly #queues = new Map<RowKey, Queue>();

  get allEmpty(): boolean {
    return this.#queues.size === 0;
  }

  mayHold(prefix: RowKey): boolean {
    return this.#queues.has(prefix);
  }

  /** Nobody has looked yet whether it holds rows. */
  suspect(prefix: RowKey): void {
    this.#queues.set(prefix, { from: 0, ahead: [], complete: false });
  }

  /** A row was inserted. */
  added(prefix: RowKey, sequence: Sequence): void {
    const queue = this.#queues.get(prefix);
    if (queue === undefined) {
      this.#queues.set(prefix, { from: sequence, ahead: [sequence], complete: true });
      return;
    }
    const { ahead } = queue;
    queue.from = Math.min(queue.from, sequence);
    const at = placeOf(ahead, sequence);
    // Between the last one ahead and this one others may stand.
    if (at === ahead.length && !queue.complete) return;
    ahead.splice(at, 0, sequence);
    if (ahead.length <= AHEAD_MAX) return;
    ahead.length = AHEAD_READ;
    queue.complete = false;
  }

  /** A row was removed. */
  removed(prefix: RowKey, sequence: Sequence): void {
    const queue = this.#queues.get(prefix);
    if (queue === undefined) return;
    const { ahead } = queue;
    const at = placeOf(ahead, sequence);
    if (ahead[at] !== sequence) return;
    ahead.splice(at, 1);
    if (at === 0) queue.from = sequence + 1;
    if (ahead.length === 0 && queue.complete) this.#queues.delete(prefix);
  }

  /** Who stands first. Undefined when nobody does: from then on the queue is known as empty. */
  first(tx: ReadTx, prefix: RowKey): Sequence | undefined {
    const queue = this.#queues.get(prefix);
    if (queue === undefined) return undefined;
    if (queue.ahead.length === 0) read(tx, prefix, queue);
    const [first] = queue.ahead;
    if (first === undefined) this.#queues.delete(prefix);
    return first;
  }
}

function read(tx: ReadTx, prefix: RowKey, queue: Queue): void {
  const range = { from: prefix + u48(queue.from), to: prefixEnd(prefix), limit: AHEAD_READ };
  queue.ahead = tx.range(range).map(([key]) => readU48(key, prefix.length));
  queue.complete = queue.ahead.length < AHEAD_READ;
}

/** Where a number stands, or would stand. */
function placeOf(sorted: readonly Sequence[], sequence: Sequence): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
