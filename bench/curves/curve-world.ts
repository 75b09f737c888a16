/** What curves need: fresh systems, and the standard measure of what an add takes under load. */
import type { SystemOptions } from "../peers/peer.ts";
import { holdfast } from "../peers/holdfast.ts";
import { inWorld } from "../harness/world.ts";
import { ADD } from "../workloads/counter-load.ts";
import type { Scale, World } from "../workloads/workload.ts";

export interface CurveWorld {
  readonly scale: Scale;
  /** Runs in a new system, and leaves nothing of it. */
  readonly fresh: <T>(
    system: Omit<SystemOptions, "dataDir">,
    run: (world: World) => Promise<T>,
  ) => Promise<T>;
}

export function curveWorld(scale: Scale): CurveWorld {
  return {
    scale,
    fresh: (system, run) => inWorld({ peer: holdfast, scale, system }, run),
  };
}

/** Time per add at c=64 over this many keys: the inverse of the rate, in µs. */
export async function addCost(world: World, keys: number): Promise<number> {
  const load = { ...ADD, keys, concurrency: 64 };
  await world.load({ ...load, requests: world.scale.warmUpRequests });
  const { acknowledged, seconds } = await world.load({
    ...load,
    durationMs: world.scale.loadMs,
  });
  return (seconds * 1e6) / acknowledged;
}
