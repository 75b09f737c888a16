import { addLoad, checkSum, warmUp } from "./counter-load.ts";
import { perRequest, workload } from "./workload.ts";

const load = { concurrency: 1, keys: 1_000 };

export const addC1 = workload({
  id: 3,
  title: "counter/add, 1,000 keys, c=1",
  peers: ["holdfast", "restate", "restate-default"],
  metrics: [
    { name: "p50 ms", better: "lower", must: { ratio: 0.3 }, aim: { ratio: 0.22 } },
    { name: "p99 ms", better: "lower" },
    { name: "flushes/add", better: "lower", must: { value: 2.1 }, aim: { value: 2.1 } },
  ],
  setup: warmUp,
  run: async (world) => {
    const { value, costs } = await addLoad(world, load);
    const { acknowledged, p50Ms, p99Ms } = value;
    const flushes = costs.flushes === null ? Number.NaN : costs.flushes / acknowledged;
    return {
      figures: { "p50 ms": p50Ms, "p99 ms": p99Ms, "flushes/add": flushes },
      details: perRequest(costs, value),
      evidence: acknowledged,
    };
  },
  check: (world, acknowledged, before) => checkSum(world, before + acknowledged),
});
