/**
 * What goes wrong, how often, and when: drawn once per seed (swarm), from a stream of its own, so that
 * leaving a fault out changes nothing about what else the seed decides.
 *
 * The numbers in the comments are those of the list of faults in docs/testing-simulation.md.
 */
import type { Status } from "../../runtime/core/invocation.ts";
import { Random } from "./random.ts";

export const FAULTS = [
  /** F1, F3: killed; some prefix of the pending commits had reached the disk. */
  "runtime crash",
  /** F1: killed between the durability of a commit and its effects. */
  "crash before effects",
  /** F1: killed between two effects. */
  "crash between effects",
  /** F4: the device fails. */
  "commit fails",
  /** F5: no space, also for the next recoveries, then space again. */
  "disk full",
  /** F5: one commit takes very long. */
  "disk stalls",
  /** F5: the guard says that space runs out, or that there is some again. */
  "disk nearly full",
  /** F19, F4: a second runtime opens the directory; the first goes on until it is fenced. */
  "second runtime",
  /** F12: the wall clock jumps, also across a restart. */
  "clock jumps",
  /** F8. */
  "worker killed",
  /** F8: hangs, or is stopped (SIGSTOP), and goes on later. */
  "worker stopped",
  "worker drains",
  /** F6, F9, F10: the runtime gives a link up; the worker learns of it later, and talks on. */
  "cut at the runtime",
  /** F6, F10: the worker gives it up, and dials again before the runtime knows. */
  "cut at the worker",
  /** F11: other code under the same version. */
  "code strays",
  /** F11: a handler is missing. */
  "code lacks a service",
  /** F11: a new deployment. */
  "new version",
  /** F11: a worker that speaks another protocol. */
  "foreign worker",
  /** F20: a worker does not read. */
  "link clogs",
  /** F13: a client goes away. */
  "client leaves",
  /** F14: an awakeable that is unknown, long completed, or of something cancelled. */
  "odd awakeable",
  /** Also for who has not started, or never asks for it. */
  "signal",
  /** F15. */
  "cancel",
  "kill",
  "pause",
  "resume",
  /** F15, for all of a key or service; somebody takes it back later. */
  "pause key",
  "pause service",
  /** F18. */
  "purge",
  "attach",
] as const;

export type Fault = (typeof FAULTS)[number];

/** Probability per step when it is on at all. */
const RATES: { readonly [F in Fault]: number } = {
  "runtime crash": 0.045,
  "crash before effects": 0.01,
  "crash between effects": 0.01,
  "commit fails": 0.005,
  "disk full": 0.003,
  "disk stalls": 0.005,
  "disk nearly full": 0.003,
  "second runtime": 0.004,
  "clock jumps": 0.003,
  "worker killed": 0.015,
  "worker stopped": 0.01,
  "worker drains": 0.004,
  "cut at the runtime": 0.012,
  "cut at the worker": 0.012,
  "code strays": 0.004,
  "code lacks a service": 0.003,
  "new version": 0.003,
  "foreign worker": 0.002,
  "link clogs": 0.006,
  "client leaves": 0.01,
  "odd awakeable": 0.015,
  signal: 0.01,
  cancel: 0.01,
  kill: 0.006,
  pause: 0.008,
  resume: 0.008,
  "pause key": 0.004,
  "pause service": 0.003,
  purge: 0.01,
  attach: 0.02,
};

export interface Swarm {
  /** Of one step. */
  draw(): Fault | undefined;
  /** Whether a recovery is killed as well. */
  readonly recoveryCrashRate: number;
}

/** Of the usual rate of crashes, where there is a rush. */
const CALM = 0.1;

/** A rush: queues for one key, and few crashes, so that what stands in them comes to its turn. */
export function isRush(seed: number): boolean {
  return new Random(seed, "rush").chance(0.15);
}

export function createSwarm(random: Random, rush: boolean): Swarm {
  const all = random.chance(0.15);
  const rates = FAULTS.map((fault): readonly [Fault, number] => {
    const on = all || fault === "runtime crash" || random.chance(0.5);
    const share = rush && fault === "runtime crash" ? CALM : 1;
    return [fault, on ? share * RATES[fault] * (0.25 + 1.75 * random.fraction()) : 0];
  });
  const again = random.chance(0.8) ? 0.38 + random.fraction() * 0.4 : 0;
  return {
    draw: () => {
      let at = random.fraction();
      for (const [fault, rate] of rates) {
        at -= rate;
        if (at < 0) return fault;
      }
      return undefined;
    },
    recoveryCrashRate: again,
  };
}

/** A fault that fired: named by the step at which it did, so that a rerun can leave it out. */
export interface Fired {
  readonly step: number;
  readonly fault: Fault;
}

/** In which status invocations were when something went wrong: an empty cell was never tried. */
export class Coverage {
  readonly cells = new Map<string, number>();

  count(fault: Fault, status: Status): void {
    const cell = `${fault} / ${status}`;
    this.cells.set(cell, (this.cells.get(cell) ?? 0) + 1);
  }
}
