/** Which invocations a step has changed: `flush` writes their records when it is done. */
import type { Invocation } from "./invocation.ts";
import type { Step } from "./step.ts";

/** Its record is written with this step. */
export function changed(step: Step, invocation: Invocation): void {
  if (invocation.changed) return;
  invocation.changed = true;
  step.changed.push(invocation);
}

/** It is gone: nothing of it is written. */
export function forget(step: Step, invocation: Invocation): void {
  invocation.changed = false;
  step.loaded.delete(invocation.sequence);
}
