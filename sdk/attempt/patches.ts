/**
 * The answers of `ctx.patched`, one per patch and invocation, the same in every attempt.
 *
 * 1. A recorded patch is true, wherever the code asks: patches match by id, not by place, so that a
 *    check may move, be asked again in a loop, or be taken out of the code while its entry stays.
 * 2. Any other is decided when it is first asked, and stays so for the attempt. True is recorded.
 *    False is not: the journal that made it false only grows, so the next attempt decides the same.
 */
export class Patches {
  /** Most code has none. */
  #answers: Map<string, boolean> | undefined;

  /** From the journal. */
  load(patch: string): void {
    this.decide(patch, true);
  }

  answerTo(patch: string): boolean | undefined {
    return this.#answers?.get(patch);
  }

  decide(patch: string, answer: boolean): void {
    (this.#answers ??= new Map()).set(patch, answer);
  }
}
