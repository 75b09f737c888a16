/**
 * `serve`: keeps a worker connected.
 *
 * Dials, registers, and dials again with back-off and jitter when the connection is lost. A refused
 * registration ends it at first, since nobody would look; later it is said and tried again slowly,
 * for the runtime may have been replaced.
 */
import type { AnyDefinition } from "../definition.ts";
import { registrationsOf } from "../manifest.ts";
import { reconnectDelayMs } from "./backoff.ts";
import { checkWorker } from "./check-worker.ts";
import { RegistrationRefusedError } from "./registration-refused.ts";
import { WorkerSession } from "./worker-session.ts";
import { dial } from "./ws-channel.ts";

export interface ServeOptions {
  readonly services: readonly AnyDefinition[];
  /** Of the runtime's worker port. Default: HOLDFAST_URL, or ws://127.0.0.1:9080. */
  readonly url?: string;
  /** The deployment: one version of this code. Default: HOLDFAST_VERSION, or "dev". */
  readonly version?: string;
  /** Attempts at once. Default 1,000. */
  readonly concurrency?: number;
  /** Worker token of the runtime, if it wants one. Default: HOLDFAST_WORKER_TOKEN. */
  readonly token?: string;
  /** Ignored, with a warning: a worker dials the runtime and needs no port. */
  readonly port?: number;
}

export interface Worker {
  /** Takes nothing new, lets running closures finish for a bounded time, and leaves. */
  close(): Promise<void>;
  /** Resolves when the worker has left. */
  readonly closed: Promise<void>;
}

const DEFAULT_URL = "ws://127.0.0.1:9080";
const DEFAULT_CONCURRENCY = 1_000;
const DEFAULT_TIMEOUT_MS = 45_000;

/**
 * Serves these services. Resolves once registered; until the runtime can be reached it keeps dialing.
 * SIGTERM and SIGINT drain and leave, before that as well: then it resolves, too.
 *
 * @throws RegistrationRefusedError (as a rejection) when the runtime does not take it; says why
 * @throws TypeError for what is no service, a name twice, an empty version or a url that is none
 * @throws RangeError when `concurrency` is no whole number from 1
 * @example await serve({ services: [counter, greeter] });
 */
export async function serve(options: ServeOptions): Promise<Worker> {
  registrationsOf(options.services);
  if (options.port !== undefined) {
    say(`serve: the option port is ignored: a worker dials the runtime (url, HOLDFAST_URL)`);
  }
  const supervisor = new Supervisor(options);
  const stop = (): void => void supervisor.close();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  void supervisor.closed.then(() => {
    process.off("SIGTERM", stop);
    process.off("SIGINT", stop);
  });
  await supervisor.start();
  return { close: () => supervisor.close(), closed: supervisor.closed };
}

class Supervisor {
  readonly closed: Promise<void>;
  readonly #options: ServeOptions;
  readonly #url: string;
  readonly #version: string;
  readonly #concurrency: number;
  #session: WorkerSession | undefined;
  readonly #leave = new AbortController();
  #resolveClosed: () => void = () => undefined;
  #wake: (() => void) | undefined;
  #complained = false;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#url = requireUrl(options.url ?? process.env["HOLDFAST_URL"] ?? DEFAULT_URL);
    this.#version = options.version ?? process.env["HOLDFAST_VERSION"] ?? "dev";
    this.#concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
    checkWorker("serve", { version: this.#version, concurrency: this.#concurrency });
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  get #stopping(): boolean {
    return this.#leave.signal.aborted;
  }

  /** Resolves at the first registration, and keeps the worker connected from then on. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#keepConnected(resolve, reject)
        // Told to leave before that: whoever waits for it must not wait for ever.
        .then(resolve, (error: unknown) => {
          reject(error instanceof Error ? error : new Error(String(error)));
        })
        .finally(this.#resolveClosed);
    });
  }

  async close(): Promise<void> {
    this.#leave.abort(new Error("stopping"));
    this.#wake?.();
    await this.#session?.drain();
    await this.closed;
  }

  async #keepConnected(onFirst: () => void, onRefused: (error: Error) => void): Promise<void> {
    let registeredBefore = false;
    for (let attempt = 1; !this.#stopping; attempt++) {
      try {
        const { ended } = await this.#connect();
        registeredBefore = true;
        onFirst();
        attempt = 0;
        const reason = await ended;
        if (!this.#stopping) say(`holdfast worker lost its runtime (${reason}); dialing again`);
      } catch (error) {
        if (error instanceof RegistrationRefusedError) {
          say(`holdfast worker was refused: ${error.message}`);
          if (!registeredBefore) {
            onRefused(error);
            return;
          }
          attempt = Math.max(attempt, 6);
        } else this.#complain(error);
      }
      if (!this.#stopping) await this.#pause(reconnectDelayMs(Math.max(attempt, 1)));
    }
  }

  /** Connects and registers; `ended` resolves, with the reason, when the connection is over. */
  async #connect(): Promise<{ readonly ended: Promise<string> }> {
    const token = this.#options.token ?? process.env["HOLDFAST_WORKER_TOKEN"];
    const { signal } = this.#leave;
    const channel = await dial({ url: this.#url, token, timeoutMs: timeoutMs(), signal });
    if (this.#stopping) {
      channel.terminate();
      throw new Error("stopping");
    }
    let onClosed: (reason: string) => void = () => undefined;
    const ended = new Promise<string>((resolve) => (onClosed = resolve));
    const session = new WorkerSession({
      services: this.#options.services,
      version: this.#version,
      concurrency: this.#concurrency,
      channel,
      warn: say,
      onWelcome: (welcome) => channel.setLimits(welcome),
      onClosed: (code, reason) => onClosed(reason === "" ? `code ${code}` : reason),
    });
    this.#session = session;
    channel.attach(session);
    session.sayHello();
    // A runtime that says nothing would not answer the close of its connection either.
    const stop = (): void => channel.terminate();
    signal.addEventListener("abort", stop);
    await session.registered.finally(() => signal.removeEventListener("abort", stop));
    this.#complained = false;
    say(`holdfast worker ready version=${this.#version} pid=${process.pid}`);
    return { ended };
  }

  /** Once per absence: a runtime that is away for an hour must not fill a log. */
  #complain(error: unknown): void {
    if (this.#complained || this.#stopping) return;
    this.#complained = true;
    const reason = error instanceof Error ? error.message : String(error);
    say(`holdfast worker cannot reach a runtime at ${this.#url} (${reason}); it keeps dialing`);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function requireUrl(url: string): string {
  const protocol = URL.canParse(url) ? new URL(url).protocol : "";
  if (protocol === "ws:" || protocol === "wss:") return url;
  throw new TypeError(
    `serve: the url (HOLDFAST_URL) is that of the runtime's worker port, like ${DEFAULT_URL}, got ${JSON.stringify(url)}`,
  );
}

function timeoutMs(): number {
  const text = process.env["HOLDFAST_WORKER_TIMEOUT_MS"] ?? "";
  return /^\d+$/.test(text) ? Number(text) : DEFAULT_TIMEOUT_MS;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
