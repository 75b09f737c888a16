import { setTimeout as delay } from "node:timers/promises";
import { measured } from "../harness/costs.ts";
import { quantile } from "../harness/numbers.ts";
import { watch } from "./counter-load.ts";
import { startSleepers } from "./hold.ts";
import { expectEqual, workload } from "./workload.ts";

export const sleepers = workload({
  id: 10,
  title: "10,000 sleepers due at one instant: lateness",
  peers: ["holdfast", "restate"],
  // Restate's best for this is to suspend nothing; Holdfast wakes them from disk.
  system: { allOpen: true },
  metrics: [
    { name: "p99 ms late", better: "lower", must: { ratio: 0.6 }, aim: { ratio: 0.35 } },
    { name: "p50 ms late", better: "lower" },
  ],
  setup: async (world) => {
    const { sleepers: count, sleepMs } = world.scale;
    const dueMs = Date.now() + sleepMs;
    const { distinctIds } = await startSleepers(world, count, dueMs);
    expectEqual("the number of distinct invocation ids", distinctIds, count);
    await world.tallyReaches("asleep", count);
    const readyMs = Date.now();
    if (readyMs > dueMs - 1_000) {
      throw new Error(`the sleepers slept only ${dueMs - readyMs} ms before they were due`);
    }
    await delay(dueMs - 500 - readyMs);
    return await world.system.countHeld("suspended", count);
  },
  run: async (world, suspended) => {
    const { sleepers: count } = world.scale;
    const { value, costs } = await measured(watch(world.system), () =>
      world.tallyReaches("records", count),
    );
    const sorted = Float64Array.from(value.records).sort();
    return {
      figures: { "p99 ms late": quantile(sorted, 0.99), "p50 ms late": quantile(sorted, 0.5) },
      details: {
        "earliest ms late": sorted[0] ?? Number.NaN,
        "suspended just before": suspended,
        "runtime µs": costs.runtimeCpuUs / count,
        "worker µs": costs.workerCpuUs / count,
      },
      evidence: count,
    };
  },
  check: async (world, count) => {
    const { records } = await world.tally();
    expectEqual("the number of sleepers that went on", records.length, count);
    const early = records.filter((it) => it < 0).length;
    expectEqual("the number of sleepers that woke too early", early, 0);
  },
});
