/** What `holdfast/runtime` exports. */
import {
  checkEmbedded,
  embedWorker,
  type EmbeddedOptions,
  type EmbeddedService,
} from "./embedded.ts";
import type { AskIngress } from "../protocol/in-process.ts";
import type { RuntimeOptions } from "./options.ts";
import { startServer, type Server } from "./server.ts";

export interface StartRuntimeOptions extends RuntimeOptions {
  /** Services that run in this process. Without any, workers dial in. */
  readonly services?: readonly EmbeddedService[];
  /** Deployment version of these services. Default: HOLDFAST_VERSION, or "dev". */
  readonly version?: string;
  /** Attempts of these services at once. Default 1,000. */
  readonly concurrency?: number;
}

export interface Runtime {
  /** How `connect({ runtime })` calls, without HTTP. */
  readonly ingress: AskIngress;
  /** "http://127.0.0.1:8080". @throws Error when `ingressPort` is false */
  readonly ingressUrl: string;
  /** @throws Error when `adminPort` is false */
  readonly adminUrl: string;
  /** "ws://127.0.0.1:9080": for workers in other processes. @throws Error when `workerPort` is false */
  readonly workerUrl: string;
  /** Stops in good order: what was accepted is on disk, what ran goes on after the next start. */
  close(): Promise<void>;
}

const DEFAULT_CONCURRENCY = 1_000;

/**
 * Starts a runtime in this process. Resolves when recovery is done, all ports accept and the services
 * are registered. Code in this process calls it by `connect({ runtime })` of `holdfast/client`, without
 * HTTP; with all three ports `false` nothing else does.
 *
 * @throws DirectoryInUseError when another live runtime has the data directory
 * @throws UnknownFormatError when another version of Holdfast wrote it
 * @throws ListenError when a port is taken; it names the setting
 * @throws TypeError or RangeError for an option that is none; it says what would be right
 * @example
 * const runtime = await startRuntime({ dataDir: ".holdfast", services: [counter] });
 * const total = await connect({ runtime }).objectClient(counter, "ann").add(1);
 * await runtime.close();
 */
export async function startRuntime(options: StartRuntimeOptions): Promise<Runtime> {
  const embedded = embeddedOf(options);
  if (embedded) checkEmbedded(embedded);
  const server = await startServer({ logLevel: embedded ? "warn" : "info", ...options });
  if (embedded === undefined) return runtimeOf(server, () => server.close());
  try {
    const worker = await embedWorker(server, embedded);
    return runtimeOf(server, async () => {
      await worker.close();
      await server.close();
    });
  } catch (error) {
    await server.close();
    throw error;
  }
}

function embeddedOf(options: StartRuntimeOptions): EmbeddedOptions | undefined {
  if (options.services === undefined) return undefined;
  return {
    services: options.services,
    version: options.version ?? process.env["HOLDFAST_VERSION"] ?? "dev",
    concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
  };
}

function runtimeOf(server: Server, close: () => Promise<void>): Runtime {
  const { ingress } = server;
  return {
    ingress,
    get ingressUrl(): string {
      return server.ingressUrl ?? notListening("ingressPort");
    },
    get adminUrl(): string {
      return server.adminUrl ?? notListening("adminPort");
    },
    get workerUrl(): string {
      return server.workerUrl ?? notListening("workerPort");
    },
    close,
  };
}

function notListening(port: string): never {
  throw new Error(`this runtime does not listen there: it was started with ${port}: false`);
}

export type { Limits } from "./core/limits.ts";
export type { HttpLimits } from "./http/http-limits.ts";
export type { LogLevel } from "./log.ts";
export type { RuntimeOptions } from "./options.ts";
export { ListenError } from "./http/listen.ts";
export { DirectoryInUseError, FencedError, UnknownFormatError } from "./store/store.ts";
