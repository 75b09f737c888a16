import { measured } from "../harness/costs.ts";
import type { LoadResult, LoadSpec } from "../load/load.ts";
import { watch } from "./counter-load.ts";
import {
  CPU_METRIC,
  cpuPerRequest,
  expectEqual,
  perRequest,
  workload,
  type World,
} from "./workload.ts";

const CALLS = 5;
const KEYS = 1_000;

export const chain = workload({
  id: 7,
  title: "5 calls in sequence to keyed objects",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "c=1 p50 ms", better: "lower", must: { ratio: 0.15 }, aim: { ratio: 0.08 } },
    { name: "c=64 requests/s", better: "higher", must: { ratio: 6 }, aim: { ratio: 12 } },
    CPU_METRIC,
  ],
  setup: async (world) =>
    (await chains(world, { concurrency: 64, requests: world.scale.warmUpRequests / 10 }))
      .acknowledged,
  run: async (world) => {
    const alone = await chains(world, { concurrency: 1, requests: world.scale.chains });
    const { value: many, costs } = await measured(watch(world.system), () =>
      chains(world, { concurrency: 64, durationMs: world.scale.loadMs }),
    );
    return {
      figures: {
        "c=1 p50 ms": alone.p50Ms,
        "c=64 requests/s": many.acknowledged / many.seconds,
        "CPU µs": cpuPerRequest(costs, many),
      },
      details: { "c=64 p99 ms": many.p99Ms, ...perRequest(costs, many) },
      evidence: alone.acknowledged + many.acknowledged,
    };
  },
  check: async (world, acknowledged, before) => {
    const { counts } = await world.tally();
    const called = (acknowledged + before) * CALLS;
    expectEqual("the number of adds that were executed", counts["adds"] ?? 0, called);
    let sum = 0;
    for (let call = 0; call < CALLS; call++) sum += await sumOf(world, call);
    expectEqual("the sum of the counters", sum, called);
  },
});

function chains(
  world: World,
  rest: Pick<LoadSpec, "concurrency" | "durationMs" | "requests">,
): Promise<LoadResult> {
  const body = '"{key}"';
  return world.load({ path: "/chain/five", body, keys: KEYS, order: "random", ...rest });
}

async function sumOf(world: World, call: number): Promise<number> {
  const { sum } = await world.load({
    path: `/counter/{key}-${call}/read`,
    body: "null",
    order: "sequence",
    concurrency: 32,
    keys: KEYS,
    requests: KEYS,
    sumAnswers: true,
  });
  return sum;
}
