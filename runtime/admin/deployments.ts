/** Deployments: which one takes what is new, which ones still have work, and who does it. */
import { readPinnedCounts } from "../core/counts.ts";
import { readOr } from "../core/damage.ts";
import { prefixEnd, readyPrefix, SERVICES } from "../core/keys.ts";
import { readDeployments } from "../core/registry.ts";
import { decodeService, type ServiceRow } from "../core/rows.ts";
import type { ReadTx } from "../core/tx.ts";
import type { LiveFacts } from "./facts.ts";
import { iso } from "./summary.ts";
import type { DeploymentStatus, DeploymentView } from "./views.ts";

const SERVICES_MAX = 100_000;

export function readServices(tx: ReadTx): ServiceRow[] {
  const range = { from: SERVICES, to: prefixEnd(SERVICES), limit: SERVICES_MAX };
  return tx.range(range).flatMap(([, row]) => readOr(() => decodeService(row), []));
}

export function viewDeployments(
  tx: ReadTx,
  { workersOf }: Pick<LiveFacts, "workersOf">,
): DeploymentView[] {
  const pinned = readPinnedCounts(tx);
  const waiting = versionsWithQueues(tx);
  const active = new Set(readServices(tx).map((it) => it.version));
  return readDeployments(tx).map(({ version, createdAtMs, services }) => {
    const invocations = pinned.get(version) ?? 0;
    const workers = workersOf(version);
    const status = statusOf(active.has(version), invocations);
    return {
      version,
      createdAt: iso(createdAtMs),
      services: services.map((it) => it.name),
      status,
      invocations,
      workers,
      warning: workers > 0 ? null : lackOf(version, invocations, waiting.has(version)),
    };
  });
}

/** Open invocations that cannot go on because no worker of their version is connected. */
export interface WorkerLack {
  readonly version: string;
  readonly invocations: number;
  readonly warning: string;
}

/** Reads only what is counted or queued: it is asked for again and again. */
export function workerLacks(tx: ReadTx, { workersOf }: Pick<LiveFacts, "workersOf">): WorkerLack[] {
  const pinned = readPinnedCounts(tx);
  const waiting = versionsWithQueues(tx);
  return [...new Set([...pinned.keys(), ...waiting])].flatMap((version) => {
    if (workersOf(version) > 0) return [];
    const invocations = pinned.get(version) ?? 0;
    const warning = lackOf(version, invocations, waiting.has(version));
    return warning === null ? [] : [{ version, invocations, warning }];
  });
}

function statusOf(active: boolean, invocations: number): DeploymentStatus {
  if (active) return "active";
  return invocations > 0 ? "draining" : "drained";
}

/** What cannot go on while no worker of this version is connected. */
function lackOf(version: string, invocations: number, waiting: boolean): string | null {
  const what =
    invocations > 0
      ? `${invocations} open ${invocations === 1 ? "invocation is" : "invocations are"} pinned to it`
      : waiting
        ? "invocations wait for their start"
        : null;
  if (what === null) return null;
  return `${what}, and no worker of it is connected: start one with HOLDFAST_VERSION=${version}`;
}

/** Invocations that have not started wait for the version that takes their service's new ones. */
function versionsWithQueues(tx: ReadTx): Set<string> {
  const found = new Set<string>();
  for (const { version, manifest } of readServices(tx)) {
    const waiting = manifest.handlers.some(({ name }) => {
      const from = readyPrefix("", manifest.name, name);
      return tx.range({ from, to: prefixEnd(from), limit: 1 }).length > 0;
    });
    if (waiting) found.add(version);
  }
  return found;
}
