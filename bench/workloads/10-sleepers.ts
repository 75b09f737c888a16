import { setTimeout as delay } from "node:timers/promises";
import { measured, type Costs } from "../harness/costs.ts";
import { quantile } from "../harness/numbers.ts";
import { watch } from "./counter-load.ts";
import { startSleepers } from "./hold.ts";
import { expectEqual, workload, type World } from "./workload.ts";

const WAVES = 2;

/**
 * Two waves, one after the other: each product is given its better one. That of fresh processes stands beside;
 * the goal is held against it, too.
 */
export const sleepers = workload({
  id: 10,
  title: "10,000 sleepers due at one instant: lateness",
  peers: ["holdfast", "restate"],
  // Restate's best for this is to suspend nothing; Holdfast wakes them from disk.
  system: { allOpen: true },
  metrics: [
    { name: "p99 ms late", better: "lower", must: { ratio: 0.6 }, aim: { ratio: 0.35 } },
    { name: "p50 ms late", better: "lower" },
    {
      name: "the first: p99 ms late",
      better: "lower",
      must: { ratio: 0.6 },
      aim: { ratio: 0.35 },
    },
  ],
  setup: async () => {},
  run: async (world) => {
    const waves: Wave[] = [];
    while (waves.length < WAVES) waves.push(await wave(world, waves.length));
    const [first] = waves;
    const best = waves.reduce((a, b) => (b.p99Ms < a.p99Ms ? b : a));
    const count = world.scale.sleepers;
    return {
      figures: {
        "p99 ms late": best.p99Ms,
        "p50 ms late": best.p50Ms,
        "the first: p99 ms late": first?.p99Ms ?? Number.NaN,
      },
      details: {
        "better wave": waves.indexOf(best) + 1,
        "earliest ms late": best.earliestMs,
        "suspended just before": best.suspended,
        "runtime µs": best.costs.runtimeCpuUs / count,
        "worker µs": best.costs.workerCpuUs / count,
      },
      evidence: WAVES * count,
    };
  },
  check: async (world, count) => {
    const { records } = await world.tally();
    expectEqual("the number of sleepers that went on", records.length, count);
    const early = records.filter((it) => it < 0).length;
    expectEqual("the number of sleepers that woke too early", early, 0);
  },
});

interface Wave {
  readonly p99Ms: number;
  readonly p50Ms: number;
  readonly earliestMs: number;
  readonly suspended: number;
  readonly costs: Costs;
}

/** `before`: how many waves there were. */
async function wave(world: World, before: number): Promise<Wave> {
  const { sleepers: count } = world.scale;
  const suspended = await fallAsleep(world, before);
  const { value, costs } = await measured(watch(world.system), () =>
    world.tallyReaches("records", (before + 1) * count),
  );
  const late = Float64Array.from(value.records.slice(before * count)).sort();
  return {
    p99Ms: quantile(late, 0.99),
    p50Ms: quantile(late, 0.5),
    earliestMs: late[0] ?? Number.NaN,
    suspended,
    costs,
  };
}

/** Until half a second before they are due; gives how many are suspended then. */
async function fallAsleep(world: World, wavesBefore: number): Promise<number> {
  const { sleepers: count, sleepMs } = world.scale;
  const dueMs = Date.now() + sleepMs;
  const { distinctIds } = await startSleepers(world, count, dueMs);
  expectEqual("the number of distinct invocation ids", distinctIds, count);
  await world.tallyReaches("asleep", (wavesBefore + 1) * count);
  const readyMs = Date.now();
  if (readyMs > dueMs - 1_000) {
    throw new Error(`the sleepers slept only ${dueMs - readyMs} ms before they were due`);
  }
  await delay(dueMs - 500 - readyMs);
  return await world.system.countHeld("suspended", count);
}
