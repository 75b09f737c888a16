import { addLoad, checkSum, warmUp } from "./counter-load.ts";
import { CPU_METRIC, cpuPerRequest, perRequest, workload } from "./workload.ts";

const load = { concurrency: 256, keys: 1_000 };

export const addC256 = workload({
  id: 2,
  title: "counter/add, 1,000 keys, c=256",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "adds/s", better: "higher", must: { ratio: 5 }, aim: { ratio: 9 } },
    { name: "p99 ms", better: "lower", must: { ratio: 0.4 }, aim: { ratio: 0.25 } },
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
