/** The checkers themselves: histories that are known to be good, and some that are known to be bad. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkHistory } from "./check-history.ts";
import { checkList, type ListInput, type ListOutput } from "./check-list.ts";
import {
  COUNTER,
  REGISTER,
  type CounterInput,
  type Operation,
  type RegisterInput,
} from "./history.ts";

const NEVER = Number.POSITIVE_INFINITY;

type Written<I, O> = readonly [
  input: I,
  output: O | undefined,
  calledAt: number,
  returnedAt: number,
];
const history = <I, O>(...written: readonly Written<I, O>[]): Operation<I, O>[] =>
  written.map(([input, output, calledAt, returnedAt]) => ({ input, output, calledAt, returnedAt }));

const add = (amount: number): CounterInput => ({ kind: "add", amount });
const read = { kind: "read" } as const;
const swap = (value: number): RegisterInput => ({ kind: "swap", value });
const append = (entry: string): ListInput => ({ kind: "append", entry });

describe("a counter", () => {
  type C = Written<CounterInput, number>;
  test.each<[string, readonly C[]]>([
    ["nothing", []],
    ["one after the other", [[add(1), 1, 0, 1], [add(2), 3, 2, 3], [read, 3, 4, 5]]],
    ["two at once, in either order", [[add(1), 3, 0, 9], [add(2), 2, 0, 9]]],
    ["a read at the same time, before or after", [[add(1), 1, 0, 9], [read, 0, 1, 8], [read, 1, 1, 8]]],
    ["an unanswered one that happened", [[add(5), undefined, 0, NEVER], [read, 5, 1, 2]]],
    ["an unanswered one that did not", [[add(5), undefined, 0, NEVER], [read, 0, 1, 2]]],
    ["an unanswered one that happened late", [[add(5), undefined, 0, NEVER], [read, 0, 1, 2], [read, 5, 3, 4]]],
    ["many unanswered ones", [...Array.from({ length: 10 }, (_, i): C => [add(2 ** i), undefined, 0, NEVER]), [read, 2 ** 9 + 1, 5, 6]]],
  ])("is linearizable: %s", (_, written) => {
    expect(checkHistory(COUNTER, history(...written)).linearizable).toBe(true);
  }); // prettier-ignore

  test.each<[string, readonly C[], number]>([
    ["a lost add", [[add(1), 1, 0, 1], [add(2), 2, 2, 3]], 1],
    ["an add twice", [[add(1), 1, 0, 1], [read, 2, 2, 3]], 1],
    ["a stale read", [[add(1), 1, 0, 1], [read, 0, 2, 3]], 1],
    ["a read from the future", [[read, 1, 0, 1], [add(1), 1, 2, 3]], 0],
    ["an unanswered one that came and went", [[add(5), undefined, 0, NEVER], [read, 5, 1, 2], [read, 0, 3, 4]], 1],
    ["an unanswered one before it was asked", [[read, 5, 0, 1], [add(5), undefined, 2, NEVER]], 0],
    ["the same answer twice", [[add(1), 1, 0, 9], [add(1), 1, 0, 9]], 1],
  ])("is not linearizable: %s", (_, written, ordered) => {
    const verdict = checkHistory(COUNTER, history(...written));
    expect(verdict).toEqual({ linearizable: false, ordered });
  }); // prettier-ignore
});

describe("a register", () => {
  type R = Written<RegisterInput, number | null>;
  test.each<[string, boolean, readonly R[]]>([
    ["swaps in a row", true, [[swap(1), null, 0, 1], [swap(2), 1, 2, 3], [read, 2, 4, 5]]],
    ["swaps at once", true, [[swap(1), 2, 0, 9], [swap(2), null, 0, 9]]],
    ["an unanswered swap seen by the next", true, [[swap(1), undefined, 0, NEVER], [swap(2), 1, 1, 2]]],
    ["two that saw the same", false, [[swap(1), null, 0, 9], [swap(2), null, 0, 9]]],
    ["a circle", false, [[swap(1), 2, 0, 9], [swap(2), 1, 0, 9]]],
    ["a value that nobody wrote", false, [[read, 7, 0, 1]]],
    ["a read that goes back", false, [[swap(1), null, 0, 1], [swap(2), 1, 2, 9], [read, 2, 3, 4], [read, 1, 5, 6]]],
  ])("%s: %s", (_, linearizable, written) => {
    expect(checkHistory(REGISTER, history(...written)).linearizable).toBe(linearizable);
  }); // prettier-ignore
});

describe("a list", () => {
  type L = Written<ListInput, ListOutput>;
  test.each<[string, readonly L[], readonly string[], RegExp | undefined]>([
    ["in a row", [[append("a"), 1, 0, 1], [append("b"), 2, 2, 3], [read, ["a", "b"], 4, 5]], ["a", "b"], undefined],
    ["at once", [[append("a"), 2, 0, 9], [append("b"), 1, 0, 9]], ["b", "a"], undefined],
    ["unanswered and there", [[append("a"), undefined, 0, NEVER]], ["a"], undefined],
    ["unanswered and not there", [[append("a"), undefined, 0, NEVER]], [], undefined],
    ["lost", [[append("a"), 1, 0, 1]], [], /a is lost/],
    ["twice", [[append("a"), 1, 0, 1]], ["a", "a"], /twice/],
    ["of nobody", [], ["x"], /nobody/],
    ["elsewhere", [[append("a"), 2, 0, 1]], ["a"], /said to be at 2/],
    ["behind one that came later", [[append("a"), 2, 0, 1], [append("b"), 1, 2, 3]], ["b", "a"], /in front of it/],
    ["read as it never was", [[append("a"), 1, 0, 9], [append("b"), 2, 0, 9], [read, ["b"], 1, 2]], ["a", "b"], /never was/],
    ["read stale", [[append("a"), 1, 0, 1], [read, [], 2, 3]], ["a"], /in front of it/],
    ["read before it was asked", [[read, ["a"], 0, 1], [append("a"), undefined, 2, NEVER]], ["a"], undefined],
  ])("%s", (_, written, final, expected) => {
    const wrong = checkList(history(...written), final);
    if (expected === undefined) expect(wrong).toEqual([]);
    else expect(wrong.join("; ")).toMatch(expected);
  }); // prettier-ignore
});

describe("histories of a real counter", () => {
  const steps = fc.array(fc.record({ amount: fc.integer({ min: 1, max: 9 }), early: fc.nat({ max: 5 }), late: fc.nat({ max: 5 }), answered: fc.boolean() }), { minLength: 1, maxLength: 25 }); // prettier-ignore

  /** Each takes effect at its own second, and is called before and answered after it. */
  function historyOf(
    all: readonly { amount: number; early: number; late: number; answered: boolean }[],
  ) {
    let sum = 0;
    return all.map(({ amount, early, late, answered }, at): Operation<CounterInput, number> => {
      sum += amount;
      return answered
        ? { input: add(amount), output: sum, calledAt: at - early, returnedAt: at + late }
        : { input: add(amount), output: undefined, calledAt: at - early, returnedAt: NEVER };
    });
  }

  test("are linearizable, however their calls overlap", () => {
    fc.assert(fc.property(steps, (all) => checkHistory(COUNTER, historyOf(all)).linearizable));
  });

  test("are not, once an answer is more than everything that was ever added", () => {
    fc.assert(
      fc.property(steps, fc.nat(), (all, which) => {
        const made = historyOf(all);
        const at = which % made.length;
        const bad = made.map((it, i) =>
          i === at ? { ...it, output: 1_000, returnedAt: 100 } : it,
        );
        return !checkHistory(COUNTER, bad).linearizable;
      }),
    );
  });
});
