/** What taking one invocation out of an inbox costs when many stand in it. */
import type { World } from "../workloads/workload.ts";
import { expectEqual } from "../workloads/workload.ts";
import type { Curve, Point } from "./curve.ts";

export const inboxCurve: Curve = {
  name: "inbox",
  title: "Length of one inbox",
  sizeName: "invocations in the inbox",
  costName: "µs per invocation, until all have run",
  sizes: { full: [100, 1_000, 10_000, 100_000], quick: [100, 1_000, 5_000] },
  measure: async (sizes, { fresh }) => {
    const points: Point[] = [];
    for (const size of sizes) points.push({ size, cost: await fresh({}, (it) => drain(it, size)) });
    return points;
  },
};

async function drain(world: World, size: number): Promise<number> {
  await send(world, 200, "warm-up");
  await world.tallyReaches("adds", 200);
  // The key is kept until all stand in line behind this one.
  const id = await holdKey(world);
  await send(world, size, "busy");
  const startedAt = performance.now();
  await world.call(`/restate/awakeables/${id}/resolve`, null);
  await world.tallyReaches("adds", 200 + size);
  expectEqual("the counter", Number(await world.call("/counter/busy/read", null)), size);
  return ((performance.now() - startedAt) * 1_000) / size;
}

async function holdKey(world: World): Promise<string> {
  await world.call("/counter/busy/hold/send", null);
  const { texts } = await world.tallyReaches("holding", 1);
  return texts[0] ?? "";
}

async function send(world: World, requests: number, key: string): Promise<void> {
  await world.load({
    path: `/counter/${key}/add/send`,
    body: "1",
    order: "sequence",
    keys: 1,
    concurrency: 64,
    requests,
  });
}
