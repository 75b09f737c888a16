/** What a process that runs seeds says in the end. */
import type { Fired } from "./faults.ts";

export interface Tally {
  seeds: number;
  steps: number;
  crashes: number;
  executions: number;
  invocations: number;
  /** Starts that travelled with the one before them; of those, how many ran to an end. */
  followers: number;
  followed: number;
  /** How often each fault met an invocation in each status. */
  cells: Record<string, number>;
}

export interface Found {
  readonly seed: number;
  readonly message: string;
  readonly stack: string;
  /** The faults that are needed for it. */
  readonly plan: readonly Fired[];
  /** The last things that happened. */
  readonly trace: readonly string[];
}

export interface Report {
  readonly tally: Tally;
  failure: Found | undefined;
}

export function emptyTally(): Tally {
  const nothing = { seeds: 0, steps: 0, crashes: 0, executions: 0, invocations: 0 };
  return { ...nothing, followers: 0, followed: 0, cells: {} };
}
