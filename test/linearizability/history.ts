/**
 * A history of one key as clients saw it: what each asked, what it was answered, and when it asked
 * and was answered by one clock outside. An operation without an answer may have taken effect at any
 * time after it was asked, or never: it returns at infinity.
 */
export interface Operation<I, O> {
  readonly input: I;
  /** undefined: nobody knows. */
  readonly output: O | undefined;
  readonly calledAt: number;
  readonly returnedAt: number;
}

/** What one key would do if it did one thing after the other. */
export interface Model<S, I, O> {
  readonly initial: S;
  /** The state after `input`; undefined when it would have answered something else. */
  readonly step: (state: S, input: I, output: O | undefined) => S | undefined;
  /** Equal for equal states. */
  readonly nameOf: (state: S) => string;
}

export type CounterInput =
  { readonly kind: "add"; readonly amount: number } | { readonly kind: "read" };

/** Adds answer the sum. */
export const COUNTER: Model<number, CounterInput, number> = {
  initial: 0,
  step: (state, input, output) => {
    const after = input.kind === "add" ? state + input.amount : state;
    return output === undefined || output === after ? after : undefined;
  },
  nameOf: String,
};

export type RegisterInput =
  { readonly kind: "swap"; readonly value: number } | { readonly kind: "read" };

/** Swaps answer what was there before; nothing was there at first. */
export const REGISTER: Model<number | null, RegisterInput, number | null> = {
  initial: null,
  step: (state, input, output) => {
    if (output !== undefined && output !== state) return undefined;
    return input.kind === "swap" ? input.value : state;
  },
  nameOf: String,
};
