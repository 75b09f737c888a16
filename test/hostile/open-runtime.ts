/**
 * A whole runtime in this process, joined as `runtime/server.ts` joins it, with its rows open to a
 * test: real sockets, real loop and machine, LMDB on disk. What would end the process is kept in
 * `fatal` instead, so that a test can say what did it.
 */
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createAdmin } from "../../runtime/admin/admin.ts";
import { createAdminReads } from "../../runtime/admin/reads.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { Effect } from "../../runtime/core/effect.ts";
import { CLOCK_HIGH_WATER } from "../../runtime/core/keys.ts";
import { DEFAULT_LIMITS, type Limits } from "../../runtime/core/limits.ts";
import { createMachine } from "../../runtime/core/machine.ts";
import type { RowKey } from "../../runtime/core/tx.ts";
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "../../runtime/http/http-limits.ts";
import { listen, openServer, type HttpApp, type Listening } from "../../runtime/http/listen.ts";
import { createHub, type Hub } from "../../runtime/hub/hub.ts";
import { createWorkerListener } from "../../runtime/hub/ws-listener.ts";
import { createIngress } from "../../runtime/ingress/ingress.ts";
import { createServiceDirectory } from "../../runtime/ingress/service-directory.ts";
import { createLog } from "../../runtime/log.ts";
import { createLoop, type Loop } from "../../runtime/loop.ts";
import { createRequests, type Requests } from "../../runtime/requests.ts";
import { openLoggedStore } from "../../runtime/store/logged-store.ts";
import type { Store } from "../../runtime/store/store.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

export interface OpenRuntime {
  readonly ingress: Listening;
  readonly admin: Listening;
  readonly workerUrl: string;
  readonly hub: Hub;
  readonly loop: Loop;
  readonly requests: Requests;
  readonly store: Store;
  /** What would have ended the process; what became a 500. */
  readonly fatal: Error[];
  readonly errors: unknown[];
  /** Every durable row, as text. */
  rows(): ReadonlyMap<RowKey, string>;
  close(): Promise<void>;
}

export async function openRuntime(given: Partial<Limits & HttpLimits> = {}): Promise<OpenRuntime> {
  const limits = { ...DEFAULT_LIMITS, ...given };
  const http = { ...DEFAULT_HTTP_LIMITS, ...given };
  const store = openLoggedStore({ path: join(await temporaryDirectory(), "0") });
  const fatal: Error[] = [];
  const errors: unknown[] = [];
  const log = createLog("silent");
  const submit: Loop["submit"] = (input) => loop.submit(input);
  const hub = createHub({ submit, log });
  const requests = createRequests(submit);
  const workers = createWorkerListener({ hub, limits, httpLimits: http, log, token: undefined });
  const loop = createLoop({
    machine: createMachine({ epoch: store.epoch, limits }),
    store,
    clock: systemClock(),
    perform: (effect) => perform(effect, hub, requests),
    onFatal: (error) => fatal.push(error),
    onPressure: (pressed) => workers.setPressure(pressed),
  });
  const onError = (error: unknown): number => errors.push(error);
  const { ask } = requests;
  const core = { ask, directory: createServiceDirectory(store) };
  const reads = createAdminReads(store, {
    workersOf: (version, serving) => hub.workersOf(version, serving),
    quarantined: () => 0,
    nowMs: () => Date.now(),
  });
  const on = (app: HttpApp): Promise<Listening> =>
    listen({ app, host: "127.0.0.1", port: 0, portSetting: "--port", limits: http });
  const ingress = await on(createIngress({ core: () => core, limits, corsOrigins: [], onError }));
  const adminOptions = { version: "0", ingressUrl: () => null, hosts: [], onError };
  const admin = await on(createAdmin({ core: () => ({ ask, reads }), ...adminOptions }));
  const { server } = workers;
  await openServer(server, { host: "127.0.0.1", port: 0, portSetting: "--port", onError });
  await loop.start();
  return {
    ingress,
    admin,
    workerUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, // a TCP server's
    hub,
    loop,
    requests,
    store,
    fatal,
    errors,
    rows: () => rowsOf(store),
    close: async () => {
      requests.stop();
      hub.shutdown();
      workers.close();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
      await ingress.close(0);
      await admin.close(0);
      await loop.close();
      await store.close();
    },
  };
}

function perform(effect: Effect, hub: Hub, requests: Requests): void {
  if (effect.kind === "respond") requests.respond(effect.request, effect.response);
  else if (effect.kind === "message") hub.send(effect.connection, effect.message);
  else if (effect.kind === "close-connection") {
    hub.close(effect.connection, effect.code, effect.reason);
  }
}

function rowsOf(store: Store): Map<RowKey, string> {
  const rows = store.range({ from: "\0", to: "\xff", limit: 10_000_000 });
  const kept = rows.filter(([key]) => key !== CLOCK_HIGH_WATER);
  return new Map(kept.map(([key, value]) => [key, Buffer.from(value).toString("latin1")]));
}
