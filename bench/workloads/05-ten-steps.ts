import { checkSteps, stepLoad } from "./step-load.ts";
import { CPU_METRIC, cpuPerRequest, perRequest, workload } from "./workload.ts";

const STEPS = 10;

export const tenSteps = workload({
  id: 5,
  title: "a handler with 10 ctx.run steps, c=64",
  peers: ["holdfast", "restate", "restate-default"],
  metrics: [
    { name: "steps/s", better: "higher", must: { ratio: 5 }, aim: { ratio: 8 } },
    { name: "p50 ms", better: "lower" },
    { name: "p99 ms", better: "lower" },
    CPU_METRIC,
  ],
  setup: async (world) => {
    const rest = { concurrency: 64, requests: world.scale.warmUpRequests / STEPS };
    return (await stepLoad(world, STEPS, rest)).value.acknowledged;
  },
  run: async (world) => {
    const rest = { concurrency: 64, durationMs: world.scale.loadMs };
    const { value, costs } = await stepLoad(world, STEPS, rest);
    const { acknowledged, seconds, p50Ms, p99Ms } = value;
    const rate = (acknowledged * STEPS) / seconds;
    return {
      figures: {
        "steps/s": rate,
        "p50 ms": p50Ms,
        "p99 ms": p99Ms,
        "CPU µs": cpuPerRequest(costs, value),
      },
      details: perRequest(costs, value),
      evidence: acknowledged,
    };
  },
  check: (world, acknowledged, before) => checkSteps(world, (acknowledged + before) * STEPS),
});
