import type { Effect } from "./core/effect.ts";
import type { Input } from "./core/input.ts";
import type { Tx } from "./core/tx.ts";

/** The state machine as the loop sees it. Synchronous and pure: all it knows comes through arguments. */
export interface Machine {
  /** Once, before the first `apply`: what is owed after a restart. */
  recover(tx: Tx, nowMs: number): Effect[];
  apply(tx: Tx, input: Input, nowMs: number): Effect[];
  /** When the next `timers-due` input is wanted; undefined when no timer is set. */
  nextDueAtMs(tx: Tx): number | undefined;
}
