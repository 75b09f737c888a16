import { addLoad, checkSum, warmUp } from "./counter-load.ts";
import { CPU_METRIC, cpuPerRequest, perRequest, workload } from "./workload.ts";

const load = { concurrency: 64, keys: 1 };

export const hotKey = workload({
  id: 4,
  title: "counter/add, one hot key, c=64",
  peers: ["holdfast", "restate", "restate-default"],
  metrics: [
    { name: "adds/s", better: "higher", must: { ratio: 12 }, aim: { ratio: 25 } },
    { name: "p99 ms", better: "lower" },
    CPU_METRIC,
  ],
  setup: warmUp,
  run: async (world) => {
    const { value, costs } = await addLoad(world, load);
    const { acknowledged, seconds, p99Ms } = value;
    return {
      figures: {
        "adds/s": acknowledged / seconds,
        "p99 ms": p99Ms,
        "CPU µs": cpuPerRequest(costs, value),
      },
      details: perRequest(costs, value),
      evidence: acknowledged,
    };
  },
  check: (world, acknowledged, before) => checkSum(world, before + acknowledged),
});
