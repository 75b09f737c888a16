import { bytesOnDisk, compactedBytes } from "../harness/disk.ts";
import { ADD, checkSum, KEYS } from "./counter-load.ts";
import { workload } from "./workload.ts";

export const disk = workload({
  id: 14,
  title: "disk per retained add, with default retention",
  // Restate preallocates 230 MB of logs, in which a run of this size disappears.
  peers: ["holdfast"],
  metrics: [
    { name: "bytes/add compacted", better: "lower", must: { value: 400 }, aim: { value: 250 } },
    { name: "bytes/add as it lies", better: "lower" },
  ],
  setup: async ({ peer, system: { dataDir } }) => ({
    lying: bytesOnDisk(dataDir),
    compacted: await compactedBytes(peer, dataDir),
  }),
  run: async (world, before) => {
    const { retained } = world.scale;
    const { peer, system } = world;
    const load = { ...ADD, concurrency: 64, keys: KEYS, requests: retained };
    const { acknowledged } = await world.load(load);
    const each = (bytes: number): number => bytes / acknowledged;
    const compacted = (await compactedBytes(peer, system.dataDir)) - before.compacted;
    return {
      figures: {
        "bytes/add compacted": each(compacted),
        "bytes/add as it lies": each(bytesOnDisk(system.dataDir) - before.lying),
      },
      details: { retained: acknowledged },
      evidence: acknowledged,
    };
  },
  check: (world, acknowledged) => checkSum(world, acknowledged),
});
