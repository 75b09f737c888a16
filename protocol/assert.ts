/** A broken invariant of our own: a programmer error, never a user's. Stays on in production. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stops at once when something that must hold does not. `facts` is a sentence with the values. */
export function assert(condition: unknown, facts: string): asserts condition {
  if (!condition) throw new AssertionError(facts);
}

/** For where the facts cost more than the check: `if (!holds) broken(`...`)`. */
export function broken(facts: string): never {
  throw new AssertionError(facts);
}

/** The end of an exhaustive switch: the compiler refuses it when a kind was forgotten. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
