/**
 * Rule 4: where all is said and heard, a worker is at work for those that run as far as is on disk, and
 * for each of them once. Whoever has left that status, or was to start and does not, was taken back.
 */
import type { Link } from "./network.ts";
import type { Scenery } from "./scenery.ts";
import { time } from "./time.ts";
import { must } from "./violation.ts";

/** A start runs ahead of the disk, and so does what a worker has said: their batch is there by then. */
const BATCH_OPEN_MS_MAX = 50;

export function checkAtWork(scenery: Scenery): void {
  const { runtime, durable, watch } = scenery;
  const sinceMs = time.steadyMs - BATCH_OPEN_MS_MAX;
  const lastAtMs = Math.max(scenery.committedAtMs, scenery.heardAtMs);
  const isAllDurable = runtime.store.pendingCount === 0 && lastAtMs <= sinceMs;
  if (!runtime.alive || !isAllDurable || !scenery.isClockSteady) return;
  const known = new Set<string>();
  for (const link of runtime.links) {
    if (!isQuiet(link)) continue;
    for (const id of watch.atWorkSince(link, sinceMs)) {
      must(!known.has(id), `rule 4: workers have ${id} twice`);
      known.add(id);
      const status = durable.find(id)?.status ?? "gone";
      must(status === "running", `rule 4: a worker has ${id}, and it is ${status}`);
    }
  }
}

function isQuiet({ runtimeOpen, workerOpen, upward, downward }: Link): boolean {
  return runtimeOpen && workerOpen && upward + downward === 0;
}
