/**
 * The admin API's reads over durable rows. Each confirms first that the epoch is still ours: a
 * runtime that has been replaced must not tell what was.
 */
import type { ServiceManifest } from "../../protocol/manifest.ts";
import { readOpenCount, readPinnedCounts } from "../core/counts.ts";
import { readPauses, servicePausedSince } from "../core/pauses.ts";
import type { ReadTx } from "../core/tx.ts";
import { readServices, viewDeployments } from "./deployments.ts";
import { describeInvocation } from "./describe.ts";
import type { LiveFacts } from "./facts.ts";
import { graphOf } from "./graph.ts";
import { listInvocations } from "./list.ts";
import { iso, isoOrNull } from "./summary.ts";
import type { AdminReads, ServiceView } from "./views.ts";

export interface AdminSource extends ReadTx {
  confirm(): Promise<void>;
}

export function createAdminReads(source: AdminSource, live: LiveFacts): AdminReads {
  const confirmed = async <T>(read: () => T | Promise<T>): Promise<T> => {
    await source.confirm();
    return read();
  };
  return {
    listInvocations: (filter, page) => confirmed(() => listInvocations(source, filter, page)),
    describeInvocation: (id, journal) =>
      confirmed(() => describeInvocation(source, live, id, journal)),
    graphOf: (id, nodesMax) => confirmed(() => graphOf(source, live, id, nodesMax)),
    countInvocations: () =>
      confirmed(() => ({
        open: readOpenCount(source),
        pinned: Object.fromEntries(readPinnedCounts(source)),
        quarantined: live.quarantined(),
      })),
    listServices: () =>
      confirmed(() =>
        readServices(source).map(({ version, manifest }) => {
          const sinceMs = servicePausedSince(source, manifest.name) ?? null;
          return { ...viewService(version, manifest), pausedSince: isoOrNull(sinceMs) };
        }),
      ),
    listPauses: () =>
      confirmed(() =>
        readPauses(source).map(({ service, key, sinceMs }) => ({
          service,
          key,
          since: iso(sinceMs),
        })),
      ),
    listDeployments: () => confirmed(() => viewDeployments(source, live)),
  };
}

function viewService(
  deployment: string,
  manifest: ServiceManifest,
): Omit<ServiceView, "pausedSince"> {
  const { name, kind, description, metadata } = manifest;
  const handlers = manifest.handlers.map((it) => ({
    name: it.name,
    mode: it.mode,
    public: !it.ingressPrivate,
    inputContentType: it.inputContentType,
    outputContentType: it.outputContentType,
    description: it.description,
    retry: it.retry,
  }));
  return { name, kind, deployment, handlers, description, metadata };
}
