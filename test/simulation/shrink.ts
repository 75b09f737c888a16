/**
 * A smaller plan of faults that fails in the same way: delta debugging over the faults that fired. A
 * rerun leaves some of them out; the seed decides everything else as before.
 */
import { Failure, Simulation } from "./simulation.ts";

const RERUNS_MAX = 200;

/** What makes two failures the same one: the words of the message, without what differs from run to run. */
function kindOf(message: string): string {
  return message.replace(/op\d+|inv_\w+|\d+/g, "#").slice(0, 40);
}

export async function shrink(seed: number, first: Failure): Promise<Failure> {
  const kind = kindOf(first.message);
  let smallest = first;
  let reruns = 0;
  const without = new Set<number>();
  const tryWithout = async (steps: readonly number[]): Promise<boolean> => {
    if (++reruns > RERUNS_MAX) return false;
    const left = new Set([...without, ...steps]);
    const failure = await new Simulation(seed, { without: left }).run().then(
      () => undefined,
      (error: unknown) => (error instanceof Failure ? error : undefined),
    );
    if (failure === undefined || kindOf(failure.message) !== kind) return false;
    for (const step of steps) without.add(step);
    smallest = failure;
    return true;
  };
  for (let size = first.fired.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < smallest.fired.length;) {
      const steps = smallest.fired.slice(at, at + size).map((it) => it.step);
      if (!(await tryWithout(steps))) at += size;
    }
  }
  return smallest;
}
