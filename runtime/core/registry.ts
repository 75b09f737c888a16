/**
 * Deployments and services: what may be called, and which version of the code takes it.
 *
 * 1. Registrations are durable: with no worker connected, known services accept and wait.
 * 2. A service never changes its kind, and a handler never its mode, within a deployment.
 * 3. Under the same version services and handlers may be added; several workers of one version may
 *    serve different services.
 * 4. New invocations go to the deployment that announced the service last. One that merely
 *    reconnects takes nothing back.
 * 5. What an invocation may do (retries, retention) says the deployment that it is pinned to.
 */
import {
  withArticle,
  type HandlerManifest,
  type Manifest,
  type ServiceManifest,
} from "../../protocol/manifest.ts";
import type { Invocation } from "./invocation.ts";
import { damageOf, readOr, tryRead, warnDamage } from "./damage.ts";
import { DEPLOYMENTS, deploymentKey, parseName, prefixEnd, SERVICES, serviceKey } from "./keys.ts";
import {
  decodeDeployment,
  decodeService,
  encodeDeployment,
  encodeService,
  type DeploymentRow,
} from "./rows.ts";
import type { Step } from "./step.ts";
import { DamagedRowError, type ReadTx, type Row } from "./tx.ts";

/** Names that the ingress uses for itself. */
const RESERVED = new Set(["restate", "openapi", "holdfast"]);
const REGISTRY_ROWS_MAX = 100_000;

/** Why this manifest cannot be registered under this version; undefined when it can. */
export function refusal(step: Step, version: string, manifest: Manifest): string | undefined {
  const deployment = readDeployment(step.tx, version);
  for (const service of manifest.services) {
    if (RESERVED.has(service.name.toLowerCase())) {
      return `the service name "${service.name}" is taken by Holdfast itself; choose another one`;
    }
    const known = step.memory.services.get(service.name)?.manifest;
    if (known && known.kind !== service.kind) {
      return `the service "${service.name}" is registered as ${withArticle(known.kind)} and cannot become ${withArticle(service.kind)}; give the new one another name`;
    }
    const before = deployment?.services.find((it) => it.name === service.name);
    const changed = before && changedMode(before, service);
    if (changed !== undefined) return changed;
  }
  return undefined;
}

function changedMode(before: ServiceManifest, now: ServiceManifest): string | undefined {
  for (const handler of now.handlers) {
    const known = before.handlers.find((it) => it.name === handler.name);
    if (known && known.mode !== handler.mode) {
      return `the handler "${now.name}/${handler.name}" is registered as ${known.mode} and cannot become ${handler.mode} under the same version; set HOLDFAST_VERSION to a new one`;
    }
  }
  return undefined;
}

export function register(step: Step, version: string, manifest: Manifest): void {
  const before = readDeployment(step.tx, version);
  const services = new Map(before?.services.map((it) => [it.name, it]));
  for (const service of manifest.services) {
    const known = services.get(service.name);
    const merged = known ? mergeService(known, service) : service;
    services.set(service.name, merged);
    const current = step.memory.services.get(service.name);
    if (known && current && current.version !== version) continue;
    step.memory.services.set(service.name, { version, manifest: merged });
    step.memory.damage.services.delete(service.name);
    step.tx.put(serviceKey(service.name), encodeService({ version, manifest: merged }));
  }
  const row: DeploymentRow = {
    version,
    createdAtMs: before?.createdAtMs ?? step.nowMs,
    services: [...services.values()],
  };
  step.tx.put(deploymentKey(version), encodeDeployment(row));
  step.memory.manifests.set(version, services);
}

/** Handlers are only added: an invocation in flight may still need one that is no longer announced. */
function mergeService(before: ServiceManifest, now: ServiceManifest): ServiceManifest {
  const kept = before.handlers.filter((it) => !now.handlers.some((is) => is.name === it.name));
  return { ...now, handlers: [...now.handlers, ...kept] };
}

/**
 * The handler that an invocation runs, as its own deployment announced it; until its first attempt,
 * as the deployment that would take it does.
 */
export function handlerOf(step: Step, invocation: Invocation): HandlerManifest | undefined {
  const { deployment, target } = invocation;
  const manifest =
    deployment === null
      ? step.memory.services.get(target.service)?.manifest
      : manifestsOf(step, deployment)?.get(target.service);
  return manifest?.handlers.find((it) => it.name === target.handler);
}

/** Read once per version: an old one is asked for whenever one of its invocations fails or ends. */
function manifestsOf(
  { tx, memory }: Step,
  version: string,
): ReadonlyMap<string, ServiceManifest> | undefined {
  const known = memory.manifests.get(version);
  if (known) return known;
  const row = readDeployment(tx, version);
  if (row === undefined) return undefined;
  const manifests = new Map(row.services.map((it) => [it.name, it]));
  memory.manifests.set(version, manifests);
  return manifests;
}

/** One whose row is damaged is as good as none: the next worker of it registers it anew. */
export function readDeployment(tx: ReadTx, version: string): DeploymentRow | undefined {
  const row = tx.get(deploymentKey(version));
  return row && readOr(() => decodeDeployment(row), undefined);
}

export function readDeployments(tx: ReadTx): DeploymentRow[] {
  return rowsOf(tx, DEPLOYMENTS).flatMap(([, value]) => readOr(() => decodeDeployment(value), []));
}

/** At start: services are few and asked for all the time, so memory holds them. */
export function recoverServices(step: Step): void {
  const { services, damage } = step.memory;
  for (const [key, value] of rowsOf(step.tx, SERVICES)) {
    const row = tryRead(() => decodeService(value));
    if (row instanceof DamagedRowError) {
      damage.services.set(parseName(key, SERVICES.length), row.message);
      warnDamage(step, row.message, KNOWN_AGAIN);
    } else services.set(row.manifest.name, { version: row.version, manifest: row.manifest });
  }
  for (const [, value] of rowsOf(step.tx, DEPLOYMENTS)) {
    const problem = damageOf(value);
    if (problem !== undefined) warnDamage(step, problem, KNOWN_AGAIN);
  }
}

export const KNOWN_AGAIN = "what it says is known again when a worker connects that announces it";

function rowsOf(tx: ReadTx, prefix: string): readonly Row[] {
  return tx.range({ from: prefix, to: prefixEnd(prefix), limit: REGISTRY_ROWS_MAX });
}
