/** Load on `counter/add`, and the check of its sums: shared by most workloads. */
import { measured, type Costs } from "../harness/costs.ts";
import type { LoadResult } from "../load/load.ts";
import type { System } from "../peers/peer.ts";
import { expectEqual, type World } from "./workload.ts";

export interface CounterLoad {
  readonly concurrency: number;
  readonly keys: number;
}

/** Adds without measuring, so that code is compiled and caches are as they will be. */
export async function warmUp(world: World, { concurrency, keys }: CounterLoad): Promise<number> {
  const { acknowledged } = await world.load({
    ...ADD,
    concurrency,
    keys,
    durationMs: world.scale.warmUpMs,
  });
  return acknowledged;
}

export async function addLoad(
  world: World,
  { concurrency, keys }: CounterLoad,
): Promise<{ readonly value: LoadResult; readonly costs: Costs }> {
  return await measured(watch(world.system), () =>
    world.load({ ...ADD, concurrency, keys, durationMs: world.scale.loadMs }),
  );
}

/** Throws unless the counters hold exactly what was acknowledged: nothing lost, nothing twice. */
export async function checkSum(world: World, keys: number, expected: number): Promise<void> {
  const { sum } = await world.load({
    path: "/counter/{key}/read",
    body: "null",
    order: "sequence",
    concurrency: 32,
    keys,
    requests: keys,
    sumAnswers: true,
  });
  expectEqual(`the sum of ${keys} counters`, sum, expected);
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
