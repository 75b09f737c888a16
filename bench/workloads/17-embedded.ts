import { measured } from "../harness/costs.ts";
import { isEmbeddedLoadAnswer, type EmbeddedLoad } from "../peers/embedded-load.ts";
import { ADD, checkSum, watch } from "./counter-load.ts";
import { CPU_METRIC, cpuPerRequest, perRequest, workload, type World } from "./workload.ts";

const load = { concurrency: 64, keys: 1_000 };

/** Of Restate, which cannot be embedded, this is workload 1. */
export const embedded = workload({
  id: 17,
  title: "embedded: runtime, handlers and client in one process, add, c=64",
  peers: ["holdfast", "restate"],
  system: { embedded: true },
  metrics: [
    { name: "adds/s", better: "higher", must: { ratio: 7 }, aim: { ratio: 12 } },
    { name: "p99 ms", better: "lower" },
    CPU_METRIC,
  ],
  setup: async (world) =>
    (await drive(world, { requests: world.scale.warmUpRequests })).acknowledged,
  run: async (world) => {
    const { value, costs } = await measured(watch(world.system), () =>
      drive(world, { durationMs: world.scale.loadMs }),
    );
    return {
      figures: {
        "adds/s": value.acknowledged / value.seconds,
        "p99 ms": value.p99Ms,
        "CPU µs": cpuPerRequest(costs, value),
      },
      details: perRequest(costs, { cpuUs: 0, ...value }),
      evidence: value.acknowledged,
    };
  },
  check: (world, acknowledged, before) => checkSum(world, before + acknowledged),
});

interface Driven {
  readonly acknowledged: number;
  readonly seconds: number;
  readonly p99Ms: number;
}

function drive(
  world: World,
  until: { readonly requests: number } | { readonly durationMs: number },
): Promise<Driven> {
  if (world.peer !== "holdfast") return world.load({ ...ADD, ...load, ...until });
  const request: EmbeddedLoad = { kind: "drive", ...load, ...until };
  return world.system.runtime.ask(request, isEmbeddedLoadAnswer);
}
