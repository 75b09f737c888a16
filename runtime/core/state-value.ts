/**
 * One value of the state of a key. Several look at it in one step (is it damaged, how large was it, what
 * is the answer), and it may be megabytes: the last one read is remembered until the step changes it.
 */
import { stateKey, utf8 } from "./keys.ts";
import type { Step } from "./step.ts";

/** Undefined when there is none; a `DamagedRow` when its row is not what was written. */
export function stateValue(
  step: Step,
  service: string,
  key: string,
  name: string,
): Uint8Array | undefined {
  // What is remembered was read, and so is whole.
  const known = step.memory.keys.stateOf(service, key);
  if (known !== undefined) {
    const binaryName = utf8(name);
    return known.entries.find(([it]) => it === binaryName)?.[1];
  }
  const row = stateKey(service, key, name);
  if (step.stateRead?.row !== row) step.stateRead = { row, value: step.tx.get(row) };
  return step.stateRead.value;
}

/** Whenever state is written. */
export function forgetStateRead(step: Step): void {
  step.stateRead = undefined;
}
