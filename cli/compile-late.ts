/**
 * How soon V8 compiles hot code for good. `holdfast start` serves its first thousand messages while that is
 * going on, in threads beside the loop's own: with V8's default budget twice as much is compiled in that time,
 * some of it more than once, as what it has seen by then is too little to go by (docs/performance.md).
 *
 * Only in a process of our own: an embedding program, and a worker, decide for themselves.
 */
import { setFlagsFromString } from "node:v8";

/** Bytes of bytecode that a function runs through before it is compiled; V8's default is 67,584. */
const BUDGET = 200_000;
/** Where it was measured. Later ones have a tier more, and other flags for it. */
const NODE_MAJOR = 20;

/** Before the code that it is about runs. */
export function compileLate(): void {
  const major = Number(process.versions.node.split(".", 1)[0]);
  if (major === NODE_MAJOR) setFlagsFromString(`--interrupt-budget=${BUDGET}`);
}
