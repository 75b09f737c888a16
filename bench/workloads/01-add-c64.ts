import { addLoad, checkSum, warmUp } from "./counter-load.ts";
import { CPU_METRIC, cpuPerRequest, perRequest, workload } from "./workload.ts";

const load = { concurrency: 64, keys: 1_000 };

export const addC64 = workload({
  id: 1,
  title: "counter/add (get, set, return), 1,000 keys, c=64",
  peers: ["holdfast", "restate", "restate-default"],
  metrics: [
    { name: "adds/s", better: "higher", must: { ratio: 5 }, aim: { ratio: 8 } },
    { name: "p50 ms", better: "lower" },
    { name: "p99 ms", better: "lower" },
    CPU_METRIC,
  ],
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
