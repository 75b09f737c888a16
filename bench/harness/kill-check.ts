/**
 * Kills the runtime with SIGKILL in the middle of load, and looks whether what it had acknowledged is
 * there. What was in flight may or may not have happened, but not twice.
 */
import { setTimeout as delay } from "node:timers/promises";
import { ADD } from "../workloads/counter-load.ts";
import type { World } from "../workloads/workload.ts";

const KEYS = 200;
const LOAD_MS = 1_500;

export interface KillReport {
  readonly acknowledged: number;
  readonly inFlight: number;
}

export async function checkKill(world: World): Promise<KillReport> {
  const loading = world.load({
    ...ADD,
    keys: KEYS,
    concurrency: 64,
    durationMs: 60_000,
    untilBroken: true,
  });
  await delay(LOAD_MS);
  await world.system.killRuntime();
  const { acknowledgedByKey, lostByKey } = await loading;
  await world.system.restartRuntime();
  for (const [key, acknowledged] of acknowledgedByKey.entries()) {
    // In line behind whatever of that key still goes on after the restart.
    const total = Number(await world.call(`/counter/k${key}/read`, null));
    const most = acknowledged + (lostByKey[key] ?? 0);
    if (total < acknowledged || total > most) {
      throw new Error(
        `after kill -9 counter k${key} holds ${total}; ${acknowledged} were acknowledged, ` +
          `and ${most - acknowledged} more were in flight`,
      );
    }
  }
  const sum = (values: readonly number[]): number => values.reduce((total, it) => total + it, 0);
  const report = { acknowledged: sum(acknowledgedByKey), inFlight: sum(lostByKey) };
  if (report.acknowledged === 0) throw new Error("nothing was acknowledged before the kill");
  return report;
}
