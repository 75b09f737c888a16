import { checkSteps, stepLoad } from "./step-load.ts";
import { workload } from "./workload.ts";

const FEW = 3;
const MANY = 10;

/** What one more step costs: start and end of the invocation cancel out. */
export const oneStep = workload({
  id: 6,
  title: "one durable step alone: the slope from 3 to 10 steps, c=1",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "ms/step", better: "lower", must: { ratio: 0.55 }, aim: { ratio: 0.45 } },
    { name: "flushes/step", better: "lower", must: { value: 2.05 }, aim: { value: 2.05 } },
  ],
  setup: async (world) => {
    const rest = { concurrency: 64, requests: world.scale.warmUpRequests / MANY };
    return (await stepLoad(world, MANY, rest)).value.acknowledged * MANY;
  },
  run: async (world) => {
    const rest = { concurrency: 1, requests: world.scale.slopeRequests };
    const few = await stepLoad(world, FEW, rest);
    const many = await stepLoad(world, MANY, rest);
    const slope = (from: number, to: number): number => (to - from) / (MANY - FEW);
    const flushes = ({ costs, value }: typeof few): number =>
      costs.flushes === null ? Number.NaN : costs.flushes / value.acknowledged;
    return {
      figures: {
        "ms/step": slope(few.value.p50Ms, many.value.p50Ms),
        "flushes/step": slope(flushes(few), flushes(many)),
      },
      details: { "p50 ms of 3 steps": few.value.p50Ms, "p50 ms of 10 steps": many.value.p50Ms },
      evidence: few.value.acknowledged * FEW + many.value.acknowledged * MANY,
    };
  },
  check: (world, executed, before) => checkSteps(world, executed + before),
});
