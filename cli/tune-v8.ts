/**
 * What V8 does differently in `holdfast start`, where it was measured (docs/performance.md).
 *
 * Hot code is compiled later: the first thousand messages are served while that goes on, in threads beside the
 * loop's own. With V8's default budget twice as much is compiled in that time, some of it more than once, as what
 * it has seen by then is too little to go by.
 *
 * Nothing is allocated as old: V8 takes it from attempts that were open for long that all attempts will be. One that
 * is dead, and old, keeps alive what it points to, until the next full collection.
 *
 * Only in a process of our own: an embedding program, and a worker, decide for themselves.
 */
import { setFlagsFromString } from "node:v8";

/** Bytes of bytecode that a function runs through before it is compiled; V8's default is 67,584. */
const BUDGET = 200_000;
/** Where it was measured. Later ones have a tier more, and other flags for it. */
const NODE_MAJOR = 20;

/** Before the code that it is about runs. */
export function tuneV8(): void {
  const major = Number(process.versions.node.split(".", 1)[0]);
  if (major !== NODE_MAJOR) return;
  setFlagsFromString(`--interrupt-budget=${BUDGET}`);
  setFlagsFromString("--no-allocation-site-pretenuring");
}
