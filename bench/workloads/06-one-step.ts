import { spreadOf } from "../harness/numbers.ts";
import { checkSteps, stepLoad } from "./step-load.ts";
import { workload } from "./workload.ts";

const FEW = 3;
const MANY = 10;
const SLICES = 5;

/** What one more step costs: start and end of the invocation cancel out. */
export const oneStep = workload({
  id: 6,
  title: "one durable step alone: the slope from 3 to 10 steps, c=1",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "ms/step", better: "lower", must: { ratio: 0.55 }, aim: { ratio: 0.45 } },
    { name: "flushes/step", better: "lower", must: { value: 2.1 }, aim: { value: 2.1 } },
  ],
  setup: async (world) => {
    const rest = { concurrency: 64, requests: world.scale.warmUpRequests / MANY };
    return (await stepLoad(world, MANY, rest)).value.acknowledged * MANY;
  },
  run: async (world) => {
    const requests = Math.ceil(world.scale.slopeRequests / SLICES);
    const few: Stretch[] = [];
    const many: Stretch[] = [];
    // In turns: what else the machine does would tilt the slope.
    for (let slice = 0; slice < SLICES; slice++) {
      few.push(await stepLoad(world, FEW, { concurrency: 1, requests }));
      many.push(await stepLoad(world, MANY, { concurrency: 1, requests }));
    }
    const slope = (of: (stretch: Stretch) => number): number =>
      (medianOf(many, of) - medianOf(few, of)) / (MANY - FEW);
    return {
      figures: { "ms/step": slope(p50Ms), "flushes/step": slope(flushes) },
      details: { "p50 ms of 3 steps": medianOf(few, p50Ms), "p50 ms of 10": medianOf(many, p50Ms) },
      evidence: SLICES * requests * (FEW + MANY),
    };
  },
  check: (world, executed, before) => checkSteps(world, executed + before),
});

type Stretch = Awaited<ReturnType<typeof stepLoad>>;

const p50Ms = ({ value }: Stretch): number => value.p50Ms;

const flushes = ({ costs, value }: Stretch): number =>
  costs.flushes === null ? Number.NaN : costs.flushes / value.acknowledged;

function medianOf(stretches: readonly Stretch[], of: (stretch: Stretch) => number): number {
  return spreadOf(stretches.map(of)).median;
}
