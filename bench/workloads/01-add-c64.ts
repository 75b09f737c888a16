import { addThroughput } from "./counter-load.ts";
import { CPU_METRIC } from "./workload.ts";

export const addC64 = addThroughput(
  { concurrency: 64, keys: 1_000 },
  {
    id: 1,
    title: "counter/add (get, set, return), 1,000 keys, c=64",
    peers: ["holdfast", "restate", "restate-default"],
    metrics: [
      { name: "adds/s", better: "higher", must: { ratio: 5 }, aim: { ratio: 8 } },
      { name: "p50 ms", better: "lower" },
      { name: "p99 ms", better: "lower" },
      CPU_METRIC,
    ],
  },
);
