/** The real runtime over an image, without its sockets: store, machine, loop, hub and a worker inside. */
import { createMachine } from "../../../runtime/core/machine.ts";
import type { Effect } from "../../../runtime/core/effect.ts";
import { DEFAULT_LIMITS } from "../../../runtime/core/limits.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { createHub } from "../../../runtime/hub/hub.ts";
import { createChannelPair } from "../../../runtime/hub/memory-channel.ts";
import { createLog } from "../../../runtime/log.ts";
import { createLoop, type Loop } from "../../../runtime/loop.ts";
import { createRequests } from "../../../runtime/requests.ts";
import type { Ask } from "../../../runtime/ask.ts";
import type { Store } from "../../../runtime/store/store.ts";
import { WorkerSession } from "../../../sdk/worker/worker-session.ts";
import { SERVICES, VERSION } from "../processes/services.ts";

export interface Recovered {
  readonly ask: Ask;
  readonly idle: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Recovers and serves; resolves when the worker is registered. */
export async function recoverAndServe(store: Store): Promise<Recovered> {
  const log = createLog("silent");
  const submit: Loop["submit"] = (input) => loop.submit(input);
  const hub = createHub({ submit, log });
  const requests = createRequests(submit);
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const perform = (effect: Effect): void => {
    if (effect.kind === "respond") requests.respond(effect.request, effect.response);
    else if (effect.kind === "message") hub.send(effect.connection, effect.message);
    else if (effect.kind === "close-connection") {
      hub.close(effect.connection, effect.code, effect.reason);
    }
  };
  const loop = createLoop({
    machine: createMachine({ epoch: store.epoch, limits: DEFAULT_LIMITS }),
    store,
    clock: systemClock(),
    perform,
    onFatal: fail,
  });
  await loop.start();
  const pair = createChannelPair();
  const session = new WorkerSession({
    services: SERVICES,
    version: VERSION,
    concurrency: 100,
    channel: pair.worker,
    warn: () => undefined,
  });
  pair.attachWorker(session);
  pair.attachRuntime(hub.accept(pair.runtime));
  session.sayHello();
  await Promise.race([session.registered, failed]);
  return {
    ask: (question, signal) => Promise.race([requests.ask(question, signal), failed]),
    idle: () => loop.idle(),
    close: async () => {
      requests.stop();
      hub.shutdown();
      await loop.close();
    },
  };
}
