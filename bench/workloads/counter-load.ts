/** Load on `counter/add`, and the check of its sums: shared by most workloads. */
import { measured, type Costs } from "../harness/costs.ts";
import type { LoadResult } from "../load/load.ts";
import type { System } from "../peers/peer.ts";
import {
  cpuPerRequest,
  expectEqual,
  perRequest,
  workload,
  type Workload,
  type World,
} from "./workload.ts";

export interface CounterLoad {
  readonly concurrency: number;
  readonly keys: number;
}

/** As many as the sums are checked over, whatever a workload itself uses of them. */
export const KEYS = 1_000;

/**
 * Adds without measuring, so that code is compiled and caches are as they will be. Always many at
 * once: one after the other would take minutes.
 */
export async function warmUp(world: World): Promise<number> {
  const requests = world.scale.warmUpRequests;
  return (await world.load({ ...ADD, concurrency: 64, keys: KEYS, requests })).acknowledged;
}

export async function addLoad(
  world: World,
  { concurrency, keys }: CounterLoad,
): Promise<{ readonly value: LoadResult; readonly costs: Costs }> {
  return await measured(watch(world.system), () =>
    world.load({ ...ADD, concurrency, keys, durationMs: world.scale.loadMs }),
  );
}

/** How many adds a load brings, and how late: workloads that differ in their load and their goals alone. */
export function addThroughput(
  load: CounterLoad,
  named: Pick<Workload, "id" | "title" | "peers" | "metrics">,
): Workload {
  return workload({
    ...named,
    setup: warmUp,
    run: async (world) => {
      const { value, costs } = await addLoad(world, load);
      const { acknowledged, seconds, p50Ms, p99Ms } = value;
      return {
        figures: {
          "adds/s": acknowledged / seconds,
          "p50 ms": p50Ms,
          "p99 ms": p99Ms,
          "CPU µs": cpuPerRequest(costs, value),
        },
        details: perRequest(costs, value),
        evidence: acknowledged,
      };
    },
    check: (world, acknowledged, before) => checkSum(world, before + acknowledged),
  });
}

/** Throws unless the counters hold exactly what was acknowledged: nothing lost, nothing twice. */
export async function checkSum(world: World, expected: number): Promise<void> {
  const { sum } = await world.load({
    path: "/counter/{key}/read",
    body: "null",
    order: "sequence",
    concurrency: 32,
    keys: KEYS,
    requests: KEYS,
    sumAnswers: true,
  });
  expectEqual("the sum of all counters", sum, expected);
}

export function watch(system: System): {
  readonly dataDir: string;
  readonly runtimePid: number;
  readonly workerPids: readonly number[];
} {
  const { dataDir, runtime, workers } = system;
  return { dataDir, runtimePid: runtime.pid, workerPids: workers.map((it) => it.pid) };
}

export const ADD = { path: "/counter/{key}/add", body: "1", order: "random" } as const;
