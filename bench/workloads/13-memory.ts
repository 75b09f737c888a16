import { setTimeout as delay } from "node:timers/promises";
import { memoryOf } from "../harness/costs.ts";
import { addLoad, checkSum } from "./counter-load.ts";
import { workload, type World } from "./workload.ts";

const IDLE_MS = 2_000;
const load = { concurrency: 64, keys: 1_000 };

export const memory = workload({
  id: 13,
  title: "RSS of the runtime, idle and under the load of 1",
  peers: ["holdfast", "restate"],
  metrics: [
    { name: "idle MB", better: "lower", must: { value: 90 }, aim: { value: 75 } },
    { name: "loaded MB", better: "lower", must: { value: 250 }, aim: { value: 180 } },
    { name: "worker loaded MB", better: "lower" },
  ],
  setup: async (world) => {
    await delay(IDLE_MS);
    return rssMb(world.system.runtime.pid);
  },
  run: async (world, idle) => {
    const peaks = { runtime: 0, worker: 0 };
    const timer = setInterval(() => {
      peaks.runtime = Math.max(peaks.runtime, rssMb(world.system.runtime.pid));
      peaks.worker = Math.max(peaks.worker, workerMb(world));
    }, 100);
    const { value } = await addLoad(world, load).finally(() => clearInterval(timer));
    return {
      figures: { "idle MB": idle, "loaded MB": peaks.runtime, "worker loaded MB": peaks.worker },
      details: {},
      evidence: value.acknowledged,
    };
  },
  check: (world, acknowledged) => checkSum(world, acknowledged),
});

function rssMb(pid: number): number {
  return memoryOf(pid).rssBytes / 1e6;
}

function workerMb({ system }: World): number {
  return system.workers.reduce((total, { pid }) => total + rssMb(pid), 0);
}
