/** How much of everything: a full run, or a quick look that says only whether it works. */
import type { Scale } from "../workloads/workload.ts";

export const FULL: Scale = {
  warmUpRequests: 10_000,
  loadMs: 5_000,
  slopeRequests: 300,
  chains: 100,
  sleepers: 10_000,
  sleepMs: 30_000,
  held: 100_000,
  heldMany: 1_000_000,
  sleeping: 1_000_000,
  retained: 100_000,
  stateTries: 15,
};

export const QUICK: Scale = {
  warmUpRequests: 4_000,
  loadMs: 2_000,
  slopeRequests: 100,
  chains: 30,
  sleepers: 2_000,
  sleepMs: 25_000,
  held: 10_000,
  heldMany: 20_000,
  sleeping: 5_000,
  retained: 20_000,
  stateTries: 5,
};
