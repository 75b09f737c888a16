/** Invocations that wait: delayed sends, and sleepers that were started and sleep. */
import type { LoadResult } from "../load/load.ts";
import type { World } from "./workload.ts";

/** Each accepted send is an invocation that is due in an hour. */
export function sendLater(
  world: World,
  amount: { readonly requests: number } | { readonly durationMs: number },
  firstKey = 0,
): Promise<LoadResult> {
  return world.load({
    path: "/counter/{key}/add/send?delay=1h",
    body: "1",
    order: "sequence",
    keys: 1_000_000,
    firstKey,
    concurrency: 64,
    countIds: true,
    ...amount,
  });
}

export function startSleepers(world: World, count: number, dueMs: number): Promise<LoadResult> {
  return world.load({
    path: "/sleeper/until/send",
    body: String(dueMs),
    order: "sequence",
    keys: 1,
    concurrency: 64,
    requests: count,
    countIds: true,
  });
}
