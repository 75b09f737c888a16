import { setTimeout as delay } from "node:timers/promises";
import { memoryOf } from "../harness/costs.ts";
import { startSleepers } from "./hold.ts";
import { expectEqual, workload, type World } from "./workload.ts";

const HOUR_MS = 3_600_000;
const COUNTED = 10_000;

export const memoryOfSleepers = workload({
  id: 12,
  title: "anonymous memory of the runtime with 1,000,000 sleeping invocations",
  peers: ["holdfast"],
  metrics: [
    { name: "MB", better: "lower", must: { value: 250 } },
    { name: "MB after a restart", better: "lower", must: { value: 250 } },
  ],
  setup: async (world) => {
    const { sleeping } = world.scale;
    const idle = anonymousMb(world);
    const { distinctIds } = await startSleepers(world, sleeping, Date.now() + 10 * HOUR_MS);
    expectEqual("the number of distinct invocation ids", distinctIds, sleeping);
    // All have to have started: the last ones may still stand in line.
    await world.tallyReaches("asleep", sleeping);
    return idle;
  },
  run: async (world, idle) => {
    await delay(2_000);
    const held = anonymousMb(world);
    await world.system.killRuntime();
    await world.system.restartRuntime();
    await world.call("/counter/witness/add", 1);
    await delay(2_000);
    return {
      figures: { MB: held, "MB after a restart": anonymousMb(world) },
      details: { "MB idle": idle, sleeping: world.scale.sleeping },
      evidence: null,
    };
  },
  check: async (world) => {
    const counted = Math.min(world.scale.sleeping, COUNTED);
    const held = await world.system.countHeld("suspended", counted);
    if (held < counted - 200) throw new Error(`check failed: only ${held} sleep`);
  },
});

function anonymousMb({ system }: World): number {
  return memoryOf(system.runtime.pid).anonymousBytes / 1e6;
}
