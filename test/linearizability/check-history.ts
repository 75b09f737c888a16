/**
 * Is there an order of the operations, each somewhere between its call and its return, in which one
 * thing after the other would have answered what was answered? The search of Wing and Gong, with the
 * memory of Lowe and of Porcupine: a set of operations done that led to a state once leads no further
 * the second time.
 */
import type { Model, Operation } from "./history.ts";

/** Beyond it the search gives up, and says so: no verdict is not a good one. */
const STEPS_MAX = 300_000;

interface Place<S> {
  readonly done: bigint;
  /** All before it are done. */
  readonly first: number;
  /** How many of those done have an answer. */
  readonly answered: number;
  /** How many without an answer were done since the last one with an answer. */
  readonly guessed: number;
  readonly state: S;
}

export interface Verdict {
  readonly linearizable: boolean;
  /** The longest order that was found: how many of the operations with an answer it holds. */
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
  const open = new Places<S>();
  open.push({ done: 0n, first: 0, answered: 0, guessed: 0, state: model.initial });
  let ordered = 0;
  for (let steps = 0; ; steps++) {
    const place = open.pop();
    if (place === undefined) return { linearizable: false, ordered };
    ordered = Math.max(ordered, place.answered);
    if (place.answered === answered) return { linearizable: true, ordered };
    if (steps > STEPS_MAX) {
      throw new Error(`no order after ${steps} steps; the longest has ${ordered} of ${answered}`);
    }
    for (const index of inOrderOfTrying(operations, place).reverse()) {
      const next = after(model, operations, place, index);
      if (next === undefined) continue;
      const name = `${next.done.toString(36)}/${model.nameOf(next.state)}`;
      if (seen.has(name)) continue;
      seen.add(name);
      open.push(next);
    }
  }
}

/**
 * Places to go on from, those with the fewest guesses first: with many operations that nobody has an
 * answer of, all sets of them would be tried behind the first one that did not happen.
 */
class Places<S> {
  readonly #byGuesses: Place<S>[][] = [];

  push(place: Place<S>): void {
    const like = (this.#byGuesses[place.guessed] ??= []);
    like.push(place);
  }

  pop(): Place<S> | undefined {
    for (const like of this.#byGuesses) {
      const place = like?.pop();
      if (place) return place;
    }
    return undefined;
  }
}

/** Where one more operation leads; undefined when it would have been answered otherwise. */
function after<S, I, O>(
  model: Model<S, I, O>,
  operations: readonly Operation<I, O>[],
  place: Place<S>,
  index: number,
): Place<S> | undefined {
  const { input, output } = at(operations, index);
  const state = model.step(place.state, input, output);
  if (state === undefined) return undefined;
  const done = place.done | (1n << BigInt(index));
  let { first } = place;
  while (isDone(done, first)) first++;
  return output === undefined
    ? { done, first, state, answered: place.answered, guessed: place.guessed + 1 }
    : { done, first, state, answered: place.answered + 1, guessed: 0 };
}

/** Those that nothing not done returned before: early ones first, those without an answer last. */
function inOrderOfTrying(
  operations: readonly Operation<unknown, unknown>[],
  { done, first }: Place<unknown>,
): number[] {
  const known: number[] = [];
  const unknown: number[] = [];
  let earliestReturn = Number.POSITIVE_INFINITY;
  for (let index = first; index < operations.length; index++) {
    const { calledAt, returnedAt, output } = at(operations, index);
    if (calledAt > earliestReturn) break;
    if (isDone(done, index)) continue;
    (output === undefined ? unknown : known).push(index);
    earliestReturn = Math.min(earliestReturn, returnedAt);
  }
  return [...known, ...unknown];
}

const isDone = (done: bigint, index: number): boolean => ((done >> BigInt(index)) & 1n) === 1n;

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no operation ${index}`);
  return item;
}
