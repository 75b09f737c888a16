import { addLoad, checkSum, warmUp } from "./counter-load.ts";
import { perRequest, workload } from "./workload.ts";

const load = { concurrency: 64, keys: 1_000 };

export const cpu = workload({
  id: 15,
  title: "CPU seconds per 10,000 adds, c=64",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "runtime s", better: "lower", must: { value: 1.2 }, aim: { value: 0.9 } },
    { name: "worker s", better: "lower", must: { value: 0.35 }, aim: { value: 0.2 } },
  ],
  setup: warmUp,
  run: async (world) => {
    const { value, costs } = await addLoad(world, load);
    const per10k = (cpuUs: number): number => (cpuUs / value.acknowledged) * 1e-2;
    return {
      figures: {
        "runtime s": per10k(costs.runtimeCpuUs),
        "worker s": per10k(costs.workerCpuUs),
      },
      details: perRequest(costs, value),
      evidence: value.acknowledged,
    };
  },
  check: (world, acknowledged, before) => checkSum(world, before + acknowledged),
});
