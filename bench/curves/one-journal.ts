/** What one more step costs when the journal of its invocation is already long. */
import { expectEqual } from "../workloads/workload.ts";
import type { Curve } from "./curve.ts";

export const journalCurve: Curve = {
  name: "journal",
  title: "Length of one journal",
  sizeName: "steps before",
  costName: "µs per step",
  sizes: { full: [10, 100, 1_000, 10_000], quick: [10, 100, 1_000] },
  measure: (sizes, { fresh }) =>
    fresh({}, async (world) => {
      await world.call("/steps/run", 200);
      const longest = sizes.at(-1) ?? 0;
      const { records: before } = await world.tally();
      const steps = Number(await world.call("/steps/timed", longest));
      expectEqual("the number of steps", steps, longest);
      const { records } = await world.tally();
      const times = records.slice(before.length);
      return sizes.map((size) => ({ size, cost: costAround(times, size) }));
    }),
};

/** The mean over the last tenth of the steps up to this one, in µs. */
function costAround(times: readonly number[], size: number): number {
  const from = Math.max(0, Math.floor(size * 0.9) - 1);
  const [first = Number.NaN, last = Number.NaN] = [times[from], times[size - 1]];
  return ((last - first) * 1_000) / (size - 1 - from);
}
