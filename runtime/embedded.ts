/** Joins services to a runtime in the same process: the one file of the runtime that knows the SDK. */
import { registrationsOf } from "../sdk/manifest.ts";
import { checkWorker } from "../sdk/worker/check-worker.ts";
import { WorkerSession } from "../sdk/worker/worker-session.ts";
import type { AnyDefinition } from "../sdk/definition.ts";
import { createChannelPair } from "./hub/memory-channel.ts";
import type { Server } from "./server.ts";

/** What `service`, `object` and `workflow` of the SDK give back. */
export type EmbeddedService = AnyDefinition;

export interface EmbeddedOptions {
  readonly services: readonly AnyDefinition[];
  readonly version: string;
  readonly concurrency: number;
}

/** Before anything is opened. @throws TypeError or RangeError with what is wrong */
export function checkEmbedded(options: EmbeddedOptions): void {
  registrationsOf(options.services);
  checkWorker("startRuntime", options);
}

export interface EmbeddedWorker {
  /** Lets running closures finish, for a bounded time, then leaves. */
  close(): Promise<void>;
}

/** Resolves once registered; rejects with the reason when the registration is refused. */
export async function embedWorker(
  { hub, log }: Server,
  options: EmbeddedOptions,
): Promise<EmbeddedWorker> {
  const pair = createChannelPair();
  const session = new WorkerSession({
    ...options,
    channel: pair.worker,
    warn: (message) => log.warn(message),
  });
  pair.attachWorker(session);
  pair.attachRuntime(hub.accept(pair.runtime));
  session.sayHello();
  await session.registered;
  return { close: () => session.drain() };
}
