/** What memory knows of a ready queue is what a read of its rows would give, in whatever order they come. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readyPrefix, u48 } from "../../runtime/core/keys.ts";
import { ReadyQueues } from "../../runtime/core/ready-queues.ts";
import { SortedTx } from "../support/sorted-tx.ts";

const PREFIX = readyPrefix("v1", "greeter", "greet");
const EMPTY = new Uint8Array(0);

class Queue {
  readonly tx = new SortedTx();
  readonly known = new ReadyQueues();
  readonly rows = new Set<number>();
  reads = 0;

  constructor() {
    const { tx } = this;
    const range = tx.range.bind(tx);
    tx.range = (what) => (this.reads++, range(what));
  }
  add(sequence: number): void {
    if (this.rows.has(sequence)) return;
    this.rows.add(sequence);
    this.tx.insert(PREFIX + u48(sequence), EMPTY);
    this.known.added(PREFIX, sequence);
  }
  remove(sequence: number): void {
    if (!this.rows.delete(sequence)) return;
    this.tx.remove(PREFIX + u48(sequence));
    this.known.removed(PREFIX, sequence);
  }
  takeFirst(): number | undefined {
    const first = this.known.first(this.tx, PREFIX);
    if (first !== undefined) this.remove(first);
    return first;
  }
  get lowest(): number | undefined {
    return this.rows.size === 0 ? undefined : Math.min(...this.rows);
  }
}

const sequence = fc.integer({ min: 1, max: 400 });
const some = fc.array(sequence, { maxLength: 150 });
const act = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), sequences: some }),
  fc.record({ kind: fc.constant("remove" as const), sequences: some }),
  fc.record({ kind: fc.constant("take" as const), count: fc.nat({ max: 150 }) }),
  fc.record({ kind: fc.constant("suspect" as const) }),
);

test("the first one is the lowest number that stands there", () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 20 }), (acts) => {
      const queue = new Queue();
      for (const it of acts) {
        if (it.kind === "suspect") queue.known.suspect(PREFIX);
        else if (it.kind === "take") {
          for (let i = 0; i < it.count; i++) {
            const { lowest } = queue;
            expect(queue.takeFirst()).toBe(lowest);
          }
        } else for (const one of it.sequences) queue[it.kind](one);
        if (queue.rows.size > 0) expect(queue.known.mayHold(PREFIX)).toBe(true);
      }
      for (let { lowest } = queue; lowest !== undefined; lowest = queue.lowest) {
        expect(queue.takeFirst()).toBe(lowest);
      }
      expect(queue.takeFirst()).toBe(undefined);
      expect(queue.known.allEmpty).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("ten thousand that come and are taken cost one read for every 64, and a short queue none", () => {
  const queue = new Queue();
  for (let i = 1; i <= 10_000; i++) queue.add(i);
  while (queue.takeFirst() !== undefined);
  expect(queue.reads).toBeLessThanOrEqual(Math.ceil(10_000 / 64) + 1);
  const before = queue.reads;
  for (let i = 1; i <= 1_000; i++) {
    queue.add(i);
    expect(queue.takeFirst()).toBe(i);
  }
  expect(queue.reads).toBe(before);
});
