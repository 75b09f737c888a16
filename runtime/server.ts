/**
 * The composition root: the only place that makes the parts of a runtime and joins them.
 *
 * 1. The directory is locked before the store is opened, and unlocked after it is closed.
 * 2. Ports accept while recovery runs: until it is done, health is 503 and calls are refused.
 * 3. What was opened is closed again when a later step fails.
 * 4. Only this file and `holdfast start` end the process: when the loop says that what is on disk is
 *    no longer known.
 */
import { resolve } from "node:path";
import type { AskIngress } from "../protocol/in-process.ts";
import { createAdmin, type AdminCore } from "./admin/admin.ts";
import { workerLacks, type WorkerLack } from "./admin/deployments.ts";
import { createAdminReads } from "./admin/reads.ts";
import { systemClock } from "./clock.ts";
import type { Effect } from "./core/effect.ts";
import { createMachine } from "./core/machine.ts";
import { DamagedRowError } from "./core/tx.ts";
import { createDiskGuard } from "./disk-guard.ts";
import { watchDeployments } from "./deployment-watch.ts";
import { listen, openServer, urlOf, type HttpApp, type Listening } from "./http/listen.ts";
import { createHub, type Hub } from "./hub/hub.ts";
import { createWorkerListener, type WorkerListener } from "./hub/ws-listener.ts";
import { createInProcessIngress } from "./ingress/in-process.ts";
import { createIngress, type IngressCore } from "./ingress/ingress.ts";
import { createServiceDirectory } from "./ingress/service-directory.ts";
import { createLog, type Log } from "./log.ts";
import { createLoop, type Loop } from "./loop.ts";
import { checkOptions, type CheckedOptions, type RuntimeOptions } from "./options.ts";
import { createRequests, type Requests } from "./requests.ts";
import { openDirectory } from "./store/directory.ts";
import type { Store } from "./store/store.ts";
import { PACKAGE_VERSION } from "./version.ts";

/** Where it listens; undefined where it does not. */
interface Urls {
  readonly ingressUrl: string | undefined;
  readonly adminUrl: string | undefined;
  readonly workerUrl: string | undefined;
}

export interface Server extends Urls {
  /** The ingress, for clients in this process. */
  readonly ingress: AskIngress;
  readonly hub: Hub;
  readonly log: Log;
  close(): Promise<void>;
}

/** Requests that wait have this long to be answered when the runtime closes. */
const CLOSE_GRACE_MS = 2_000;

export async function startServer(given: RuntimeOptions): Promise<Server> {
  const options = checkOptions({ ...given, dataDir: resolve(given.dataDir ?? "") });
  const log = createLog(options.logLevel);
  const undo: (() => Promise<void>)[] = [];
  try {
    const directory = await openDirectory(options.dataDir);
    undo.push(() => directory.close());
    const parts = join(options, directory.store, log);
    undo.push(() => parts.loop.close());
    const disk = createDiskGuard({
      directory: options.dataDir,
      freeBytesMin: options.limits.diskFreeBytesMin,
      submit: (input) => parts.loop.submit(input),
      log,
    });
    // Known before the first request is taken.
    await disk.check();
    undo.push(async () => disk.stop());
    const listeners = await openListeners(options, parts, undo);
    await parts.loop.start();
    parts.recovered();
    disk.start();
    const stopWatching = watchDeployments({ look: parts.workerLacks, log });
    undo.push(() => Promise.resolve(stopWatching()));
    log.info({ epoch: directory.store.epoch, dataDir: options.dataDir }, "the runtime is ready");
    const ingress = createInProcessIngress(parts.ingress, options.httpLimits);
    return { ...listeners, ingress, hub: parts.hub, log, close: () => closeAll(parts, undo) };
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

interface Parts {
  readonly loop: Loop;
  readonly hub: Hub;
  readonly requests: Requests;
  readonly ingress: HttpApp;
  readonly admin: HttpApp;
  readonly workers: WorkerListener;
  readonly urls: { ingress: string | null };
  readonly workerLacks: () => Promise<readonly WorkerLack[]>;
  readonly log: Log;
  recovered(): void;
}

function join(options: CheckedOptions, store: Store, log: Log): Parts {
  const { limits, httpLimits, idempotencyPayloadCheck } = options;
  // Submitting is possible before the loop is there only because nothing submits before it.
  const submit: Loop["submit"] = (input) => loop.submit(input);
  const hub = createHub({ submit, log });
  const requests = createRequests(submit);
  const clock = systemClock();
  const machine = createMachine({ epoch: store.epoch, limits, idempotencyPayloadCheck });
  const workers = createWorkerListener({
    hub,
    limits,
    httpLimits,
    log,
    token: options.workerToken,
  });
  const loop = createLoop({
    machine,
    store,
    clock,
    perform: (effect) => perform(effect, hub, requests, log),
    afterPerform: () => hub.flush(),
    onFatal: (error) => failStop(error, options, log),
    onPressure: (pressed) => workers.setPressure(pressed),
  });
  const directory = createServiceDirectory(store);
  const ingressCore: IngressCore = { ask: requests.ask, directory };
  const { quarantined } = machine;
  const live = { workersOf: hub.workersOf.bind(hub), nowMs: () => clock.nowMs(), quarantined };
  const reads = createAdminReads(store, live);
  const adminCore: AdminCore = { ask: requests.ask, reads };
  let ready = false;
  const onError = (error: unknown): void => log.error({ error: textOf(error) }, "a request failed");
  const urls: Parts["urls"] = { ingress: null };
  return {
    loop,
    hub,
    requests,
    workers,
    urls,
    workerLacks: async () => {
      await store.confirm();
      return workerLacks(store, live);
    },
    log,
    ingress: createIngress({
      core: () => (ready ? ingressCore : undefined),
      limits,
      corsOrigins: options.corsOrigins,
      onError,
    }),
    admin: createAdmin({
      core: () => (ready ? adminCore : undefined),
      version: PACKAGE_VERSION,
      ingressUrl: () => urls.ingress,
      hosts: [options.host, ...options.adminHosts],
      onError,
    }),
    recovered: () => {
      ready = true;
    },
  };
}

function perform(effect: Effect, hub: Hub, requests: Requests, log: Log): void {
  switch (effect.kind) {
    case "respond":
      requests.respond(effect.request, effect.response);
      return;
    case "message":
      hub.send(effect.connection, effect.message);
      return;
    case "close-connection":
      hub.close(effect.connection, effect.code, effect.reason);
      return;
    case "warn":
      log.warn(effect.facts, effect.message);
      return;
  }
}

/** What is on disk is not known any more: stop at once. The next start recovers from what is there. */
function failStop(error: Error, options: CheckedOptions, log: Log): void {
  const advice =
    error instanceof DamagedRowError
      ? "a stored row that it cannot do without is damaged"
      : "start it again to recover";
  log.fatal({ error: textOf(error) }, `the runtime stops itself; ${advice}`);
  try {
    options.onFatal(error);
  } finally {
    process.kill(process.pid, "SIGKILL");
  }
}

async function openListeners(
  options: CheckedOptions,
  parts: Parts,
  undo: (() => Promise<void>)[],
): Promise<Urls> {
  const { host, httpLimits: limits, adminPort, ingressPort } = options;
  const open = async (
    app: HttpApp,
    port: number | false,
    portSetting: string,
  ): Promise<Listening | undefined> => {
    if (port === false) return undefined;
    const listening = await listen({ app, host, port, portSetting, limits });
    undo.push(() => listening.close(CLOSE_GRACE_MS));
    return listening;
  };
  const admin = await open(parts.admin, adminPort, "--admin-port");
  const ingress = await open(parts.ingress, ingressPort, "--ingress-port");
  parts.urls.ingress = ingress?.url ?? null;
  const workerUrl = await openWorkerPort(options, parts);
  undo.push(() => closeWorkers(parts));
  return { ingressUrl: ingress?.url, adminUrl: admin?.url, workerUrl };
}

async function openWorkerPort(
  { host, workerPort }: CheckedOptions,
  { workers: { server }, log }: Parts,
): Promise<string | undefined> {
  if (workerPort === false) return undefined;
  await openServer(server, {
    host,
    port: workerPort,
    portSetting: "--worker-port",
    onError: (error) => log.error({ error: error.message }, "the worker port failed"),
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : workerPort;
  return urlOf(host, port).replace("http:", "ws:");
}

async function closeWorkers({ hub, workers }: Parts): Promise<void> {
  hub.shutdown();
  await new Promise<void>((done) => {
    workers.server.close(() => done());
    workers.close();
  });
}

/** Everything that waits learns of it; then the steps of the start, backwards. */
async function closeAll(parts: Parts, undo: (() => Promise<void>)[]): Promise<void> {
  parts.requests.stop();
  for (const step of undo.splice(0).reverse()) await step();
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
