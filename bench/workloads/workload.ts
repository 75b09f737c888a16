/** The shape that all workloads share. */
import type { LoadResult, LoadSpec } from "../load/load.ts";
import type { PeerName, System, SystemOptions } from "../peers/peer.ts";
import type { TallyReport } from "../worker-control.ts";
import type { Costs } from "../harness/costs.ts";

/** What a figure has to reach: as a share of the peer's figure, or by itself. */
export type Goal = { readonly ratio: number } | { readonly value: number };

export interface Metric {
  /** "adds/s" */
  readonly name: string;
  readonly better: "higher" | "lower";
  readonly must?: Goal;
  readonly aim?: Goal;
}

export interface Workload {
  /** Its number in the table of goals. */
  readonly id: number;
  readonly title: string;
  readonly peers: readonly PeerName[];
  readonly metrics: readonly Metric[];
  readonly system?: Omit<SystemOptions, "dataDir">;
  measure(world: World): Promise<Measurement>;
}

export interface Measurement {
  /** By name of the metric. */
  readonly figures: Readonly<Record<string, number>>;
  /** Shown beside the figures, without a goal. */
  readonly details: Readonly<Record<string, number | null>>;
}

/** Sizes and times: a full run, or a quick look. */
export interface Scale {
  /** By number, not by time: however busy the machine, the code is compiled after them. */
  readonly warmUpRequests: number;
  readonly loadMs: number;
  readonly slopeRequests: number;
  readonly chains: number;
  readonly sleepers: number;
  /** From the first sleeper to the instant at which all are due. */
  readonly sleepMs: number;
  readonly held: number;
  readonly heldMany: number;
  readonly sleeping: number;
  readonly retained: number;
  readonly stateTries: number;
}

export interface World {
  readonly peer: PeerName;
  readonly system: System;
  readonly scale: Scale;
  /** Runs load from the generator's process. Rejects when an answer is not what it should be. */
  load(spec: Omit<LoadSpec, "port">): Promise<LoadResult>;
  /** What the handlers of this worker counted. */
  tally(): Promise<TallyReport>;
  /** Resolves when they have counted this far. */
  tallyReaches(name: string, count: number): Promise<TallyReport>;
  /** One call, one answer. */
  call(path: string, body: unknown): Promise<unknown>;
}

/** A workload in three steps. `check` throws when what `run` did was not really done, or twice. */
export interface Steps<Ready, Evidence> extends Omit<Workload, "measure"> {
  readonly setup: (world: World) => Promise<Ready>;
  readonly run: (
    world: World,
    ready: Ready,
  ) => Promise<Measurement & { readonly evidence: Evidence }>;
  readonly check: (world: World, evidence: Evidence, ready: Ready) => Promise<void>;
}

export function workload<Ready, Evidence>(steps: Steps<Ready, Evidence>): Workload {
  const { setup, run, check, ...rest } = steps;
  return {
    ...rest,
    measure: async (world) => {
      const ready = await setup(world);
      const { evidence, figures, details } = await run(world, ready);
      await check(world, evidence, ready);
      return { figures, details };
    },
  };
}

/** What a load cost, per request. */
export function perRequest(
  costs: Costs,
  { acknowledged, cpuUs }: Pick<LoadResult, "acknowledged" | "cpuUs">,
): Record<string, number | null> {
  const each = (total: number): number => total / acknowledged;
  return {
    "runtime µs": each(costs.runtimeCpuUs),
    "worker µs": each(costs.workerCpuUs),
    "load µs": each(cpuUs),
    flushes: costs.flushes === null ? null : each(costs.flushes),
    "bytes written": each(costs.bytesWritten),
    "runtime RSS MB": costs.runtimeRssBytes / 1e6,
    "worker RSS MB": costs.workerRssBytes / 1e6,
  };
}

/**
 * Of runtime and worker together. What can be compared on a machine that does other things too: rates
 * and latencies go by who gets a core, this does not.
 */
export const CPU_METRIC: Metric = { name: "CPU µs", better: "lower" };

export function cpuPerRequest(costs: Costs, { acknowledged }: { acknowledged: number }): number {
  return (costs.runtimeCpuUs + costs.workerCpuUs) / acknowledged;
}

/** Throws unless they are equal. */
export function expectEqual(what: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new Error(`check failed: ${what} is ${found}, and should be ${expected}`);
}
