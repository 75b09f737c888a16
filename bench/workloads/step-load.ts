/** Load on `steps/run`, and the check that every step was executed once. */
import { measured, type Costs } from "../harness/costs.ts";
import type { LoadResult, LoadSpec } from "../load/load.ts";
import { watch } from "./counter-load.ts";
import { expectEqual, type World } from "./workload.ts";

export async function stepLoad(
  world: World,
  steps: number,
  rest: Pick<LoadSpec, "concurrency" | "durationMs" | "requests">,
): Promise<{ readonly value: LoadResult; readonly costs: Costs }> {
  return await measured(watch(world.system), async () => {
    const path = "/steps/run";
    const body = String(steps);
    const spec = { path, body, keys: 1, order: "sequence", sumAnswers: true, ...rest } as const;
    const result = await world.load(spec);
    expectEqual("the sum of the answers", result.sum, result.acknowledged * steps);
    return result;
  });
}

/** Nothing crashed, so nothing may have run a second time. */
export async function checkSteps(world: World, expected: number): Promise<void> {
  const { counts } = await world.tally();
  expectEqual("the number of steps that were executed", counts["steps"] ?? 0, expected);
}
