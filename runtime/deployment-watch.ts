/**
 * Warns of deployments that have work and no worker: nothing of it goes on until somebody starts one.
 *
 * 1. Looks from time to time, never at once: after a start of the runtime workers need a moment to
 *    come back.
 * 2. Warns once per deployment, and again only after it was seen without a lack in between.
 */
import type { WorkerLack } from "./admin/deployments.ts";
import type { Log } from "./log.ts";

const LOOK_EVERY_MS = 30_000;

export interface DeploymentWatchOptions {
  /** Rejects when the runtime has been replaced: then there is nothing to say. */
  readonly look: () => Promise<readonly WorkerLack[]>;
  readonly log: Pick<Log, "warn">;
  /** Calls back again and again, until the function that comes back is called. */
  readonly every?: (intervalMs: number, callback: () => Promise<void>) => () => void;
}

/** Gives the function that ends it. */
export function watchDeployments({
  look,
  log,
  every = onInterval,
}: DeploymentWatchOptions): () => void {
  let warned = new Set<string>();
  return every(LOOK_EVERY_MS, async () => {
    const lacking = await look().catch(() => undefined);
    if (lacking === undefined) return;
    for (const { version, invocations, warning } of lacking) {
      if (warned.has(version)) continue;
      log.warn({ deployment: version, invocations }, `deployment ${version}: ${warning}`);
    }
    warned = new Set(lacking.map((it) => it.version));
  });
}

function onInterval(intervalMs: number, callback: () => Promise<void>): () => void {
  const timer = setInterval(() => void callback(), intervalMs).unref();
  return () => clearInterval(timer);
}
