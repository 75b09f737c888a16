import { measured } from "../harness/costs.ts";
import { watch } from "./counter-load.ts";
import { sendLater } from "./hold.ts";
import { CPU_METRIC, cpuPerRequest, expectEqual, perRequest, workload } from "./workload.ts";

const COUNTED_MAX = 20_000;

export const acceptedSends = workload({
  id: 9,
  title: "accepted sends over HTTP (due in an hour), c=64",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "sends/s", better: "higher", must: { ratio: 1.2 }, aim: { ratio: 2 } },
    { name: "p99 ms", better: "lower" },
    CPU_METRIC,
  ],
  setup: async (world) =>
    (await sendLater(world, { requests: world.scale.warmUpRequests }, 1_000_000)).acknowledged,
  run: async (world) => {
    const { value, costs } = await measured(watch(world.system), () =>
      sendLater(world, { durationMs: world.scale.loadMs }),
    );
    return {
      figures: {
        "sends/s": value.acknowledged / value.seconds,
        "p99 ms": value.p99Ms,
        "CPU µs": cpuPerRequest(costs, value),
      },
      details: perRequest(costs, value),
      evidence: value,
    };
  },
  check: async (world, { acknowledged, distinctIds }, before) => {
    expectEqual("the number of distinct invocation ids", distinctIds, acknowledged);
    const held = await world.system.countHeld("scheduled", COUNTED_MAX);
    const expected = acknowledged + before;
    if (held < Math.min(expected, COUNTED_MAX) || (held < COUNTED_MAX && held !== expected)) {
      throw new Error(`check failed: ${held} are held, and should be ${expected}`);
    }
  },
});
