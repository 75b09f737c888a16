/** What reads need beside rows. All of it is for people: nothing durable hangs on it. */
import type { Target } from "../../protocol/command.ts";

export interface LiveFacts {
  /**
   * Workers of a version that are connected now; with a target, those of them that serve it and take
   * new attempts when they have room.
   */
  readonly workersOf: (version: string, serving?: Target) => number;
  /** Invocations whose record is known to be damaged. */
  readonly quarantined: () => number;
  readonly nowMs: () => number;
}
