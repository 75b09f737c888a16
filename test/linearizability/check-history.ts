/**
 * Is there an order of the operations, each somewhere between its call and its return, in which one
 * thing after the other would have answered what was answered? The search of Wing and Gong, with the
 * memory of Lowe and of Porcupine: a set of operations done that led to a state once leads no further
 * the second time.
 */
import type { Model, Operation } from "./history.ts";

/** Beyond it the search gives up, and says so: no verdict is not a good one. */
const STEPS_MAX = 5_000_000;

interface Place {
  readonly done: bigint;
  readonly state: unknown;
}

/** The longest order that was found; all of them when the history is linearizable. */
export interface Verdict {
  readonly linearizable: boolean;
  /** How many of the operations with an answer could be put in order. */
  readonly ordered: number;
}

/** @throws Error when the search is too long to be finished */
export function checkHistory<S, I, O>(
  model: Model<S, I, O>,
  history: readonly Operation<I, O>[],
): Verdict {
  const operations = history.toSorted((a, b) => a.calledAt - b.calledAt);
  const answered = operations.filter((it) => it.output !== undefined).length;
  const seen = new Set<string>();
  const stack: (Place & { readonly state: S })[] = [{ done: 0n, state: model.initial }];
  let ordered = 0;
  for (let steps = 0; ; steps++) {
    const place = stack.pop();
    if (place === undefined) return { linearizable: false, ordered };
    if (steps > STEPS_MAX) throw new Error(`no verdict after ${STEPS_MAX} steps`);
    const done = countAnswered(operations, place.done);
    ordered = Math.max(ordered, done);
    if (done === answered) return { linearizable: true, ordered };
    // What stands last on the stack is tried first: the early ones, those with an answer before others.
    const [known, unknown] = [true, false].map((answered) =>
      candidates(operations, place.done).filter(
        (it) => (at(operations, it).output !== undefined) === answered,
      ),
    );
    for (const index of [...(known ?? []), ...(unknown ?? [])].reverse()) {
      const { input, output } = at(operations, index);
      const state = model.step(place.state, input, output);
      if (state === undefined) continue;
      const next = { done: place.done | (1n << BigInt(index)), state };
      const name = `${next.done.toString(36)}/${model.nameOf(state)}`;
      if (seen.has(name)) continue;
      seen.add(name);
      stack.push(next);
    }
  }
}

/** Those that are not done, and that nothing not done returned before. */
function candidates(operations: readonly Operation<unknown, unknown>[], done: bigint): number[] {
  const found: number[] = [];
  let earliestReturn = Number.POSITIVE_INFINITY;
  for (const [index, operation] of operations.entries()) {
    if (operation.calledAt > earliestReturn) break;
    if (isDone(done, index)) continue;
    found.push(index);
    earliestReturn = Math.min(earliestReturn, operation.returnedAt);
  }
  return found.filter((index) => at(operations, index).calledAt <= earliestReturn);
}

function countAnswered(operations: readonly Operation<unknown, unknown>[], done: bigint): number {
  return operations.filter((it, index) => isDone(done, index) && it.output !== undefined).length;
}

const isDone = (done: bigint, index: number): boolean => ((done >> BigInt(index)) & 1n) === 1n;

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no operation ${index}`);
  return item;
}
