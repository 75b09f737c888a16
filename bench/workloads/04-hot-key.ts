import { addThroughput } from "./counter-load.ts";
import { CPU_METRIC } from "./workload.ts";

export const hotKey = addThroughput(
  { concurrency: 64, keys: 1 },
  {
    id: 4,
    title: "counter/add, one hot key, c=64",
    peers: ["holdfast", "restate", "restate-default"],
    metrics: [
      { name: "adds/s", better: "higher", must: { ratio: 12 }, aim: { ratio: 25 } },
      { name: "p99 ms", better: "lower" },
      CPU_METRIC,
    ],
  },
);
