/**
 * Rule 6: nobody who is ready stands behind attempts that only wait. A runtime that has somebody in a
 * queue asks for room, so that a worker full of those that wait is never found while nothing moves.
 */
import type { Invocation } from "../../runtime/core/invocation.ts";
import { PAUSED_KEYS, PAUSED_SERVICES, prefixEnd } from "../../runtime/core/keys.ts";
import { nameOf } from "./durable.ts";
import type { Scenery } from "./scenery.ts";
import { time } from "./time.ts";
import { must } from "./violation.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** What was decided and is not on its way to the disk yet is, by then. */
const BATCH_OPEN_MS_MAX = 50;

export function checkStanding(scenery: Scenery): void {
  if (scenery.runtime.store.pendingCount > 0 || isSomethingPaused(scenery)) return;
  const connected = scenery.workers.filter(({ link }) => link?.runtimeOpen === true);
  const full = connected.filter((it) => isFullOfWaiters(scenery, it));
  if (full.length === 0 || full.length < openLinks(scenery)) return;
  for (const invocation of scenery.durable.invocations()) {
    if (invocation.status !== "ready" || scenery.watch.isAtWork(invocation)) continue;
    const worker = full.find((it) => mayTake(scenery, it, invocation));
    const name = nameOf(invocation);
    must(!worker, `rule 6: ${name} is ready, and ${worker?.name ?? ""} is full of who only waits`);
  }
}

/** Those of the runtime: whoever is asked for room may be one that a worker has left. */
function openLinks({ runtime }: Scenery): number {
  return [...runtime.links].filter((it) => it.runtimeOpen).length;
}

function isSomethingPaused({ disk }: Scenery): boolean {
  return [PAUSED_KEYS, PAUSED_SERVICES].some(
    (it) => disk.rows.range({ from: it, to: prefixEnd(it), limit: 1 }).length > 0,
  );
}

/** Connected, with everything said and heard on both sides, and so for a while. */
function isFullOfWaiters({ runtime, watch }: Scenery, { link, stopped }: WorkerProcess): boolean {
  if (link === undefined || stopped || !runtime.has(link) || link.clogBytes > 0) return false;
  if (!link.runtimeOpen || !link.workerOpen || link.upward + link.downward > 0) return false;
  const sinceMs = watch.fullOfWaitersSinceMs(link);
  return sinceMs !== undefined && time.steadyMs - sinceMs > BATCH_OPEN_MS_MAX;
}

/** What has started runs where it started; what has not, anywhere as long as there is one version. */
function mayTake(
  { hasNewVersion }: Scenery,
  { code }: WorkerProcess,
  { deployment, target }: Invocation,
): boolean {
  if (code.partial && target.service === "plain") return false;
  return deployment === null ? !hasNewVersion : deployment === code.version;
}
