import { addThroughput } from "./counter-load.ts";
import { CPU_METRIC } from "./workload.ts";

export const addC256 = addThroughput(
  { concurrency: 256, keys: 1_000 },
  {
    id: 2,
    title: "counter/add, 1,000 keys, c=256",
    peers: ["holdfast", "restate"],
    metrics: [
      { name: "adds/s", better: "higher", must: { ratio: 5 }, aim: { ratio: 9 } },
      { name: "p99 ms", better: "lower", must: { ratio: 0.4 }, aim: { ratio: 0.25 } },
      CPU_METRIC,
    ],
  },
);
