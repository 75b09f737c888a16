/**
 * One connection of a worker, over whatever channel: says hello, starts attempts, hands them what
 * comes for them, makes room, drains.
 *
 * 1. When the channel closes, all its attempts are over: the runtime starts them elsewhere.
 * 2. A wish for room is remembered until that many attempts have left.
 * 3. While it drains nothing new starts; what only waits leaves at once, closures may finish.
 * 4. A start that came along with another one (followers.ts) is no attempt until it is its turn.
 */
import type { Channel, ChannelHandlers } from "../../protocol/channel.ts";
import { CloseCode } from "../../protocol/channel.ts";
import {
  PROTOCOL_VERSION,
  type Abort,
  type RuntimeMessage,
  type Start,
  type Welcome,
  type WorkerMessage,
} from "../../protocol/message.ts";
import { Attempt, type AttemptHost } from "../attempt/attempt.ts";
import { Turns } from "../attempt/turns.ts";
import type { AnyDefinition, Registration } from "../definition.ts";
import { manifestOf, registrationsOf } from "../manifest.ts";
import type { StateView } from "../attempt/state-view.ts";
import { Followers } from "./followers.ts";
import { LiveAttempts } from "./live-attempts.ts";
import { RegistrationRefusedError } from "./registration-refused.ts";

export interface WorkerSessionOptions {
  readonly services: readonly AnyDefinition[];
  readonly version: string;
  readonly concurrency: number;
  readonly channel: Channel<WorkerMessage>;
  readonly warn: (message: string) => void;
  /** Told once the connection is over. */
  readonly onClosed?: (code: number, reason: string) => void;
  /** Told with the welcome. */
  readonly onWelcome?: (welcome: Welcome) => void;
}

/** Closed with one of these before the welcome, the same hello would be closed again. */
const REFUSALS: ReadonlySet<number> = new Set([
  CloseCode.protocolError,
  CloseCode.unauthorized,
  CloseCode.refused,
  CloseCode.tooLarge,
]);

/** How long closures may go on while the worker drains. */
const DRAIN_TIMEOUT_MS = 10_000;
/** As many as a runtime likes to send: what waits here is a start message, no attempt. */
const FOLLOWERS_MAX = 256;
const SDK_NAME = "holdfast-ts";

export class WorkerSession implements ChannelHandlers<RuntimeMessage> {
  /** Resolves with the welcome; rejects when the registration is refused or the connection lost. */
  readonly registered: Promise<Welcome>;
  readonly #options: WorkerSessionOptions;
  readonly #registrations: ReadonlyMap<string, Registration>;
  #attempts = new LiveAttempts();
  readonly #followers = new Followers();
  /** Of all attempts, from the welcome on. */
  #host: AttemptHost | undefined;
  #resolve: (welcome: Welcome) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #roomWanted = 0;
  #draining = false;
  #drained: Promise<void> | undefined;
  #closed = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: WorkerSessionOptions) {
    this.#options = options;
    this.#registrations = registrationsOf(options.services);
    this.registered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever does not wait for it hears of the end by onClosed.
    this.registered.catch(() => undefined);
  }

  sayHello(): void {
    const { channel, version, concurrency } = this.#options;
    const manifest = manifestOf(this.#registrations);
    const sdk = `${SDK_NAME} pid=${process.pid}`;
    channel.send({
      kind: "hello",
      protocol: PROTOCOL_VERSION,
      version,
      concurrency,
      sdk,
      manifest,
      followersMax: FOLLOWERS_MAX,
    });
  }

  onMessage(message: RuntimeMessage): void {
    switch (message.kind) {
      case "welcome":
        this.#host = this.#hostFor(message);
        this.#options.onWelcome?.(message);
        this.#resolve(message);
        return;
      case "refused":
        this.#reject(new RegistrationRefusedError(message.reason));
        return;
      case "start":
        this.#start(message);
        return;
      case "replay":
        this.#attempts.get(message.attempt)?.replay(message);
        return;
      case "deliver":
        this.#attempts.get(message.attempt)?.deliver(message);
        return;
      case "state":
        this.#attempts.get(message.attempt)?.learnState(message);
        return;
      case "go":
        this.#attempts.get(message.attempt)?.go(message);
        return;
      case "abort":
        this.#abort(message);
        return;
      case "make-room":
        this.#roomWanted = Math.min(this.#roomWanted + message.attempts, this.#options.concurrency);
        this.#makeRoom();
        return;
      case "ack":
        return;
    }
  }

  onClose(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    const message = `the connection ended before the registration: ${reason || code}`;
    this.#reject(REFUSALS.has(code) ? new RegistrationRefusedError(reason) : new Error(message));
    for (const attempt of this.#attempts.all()) attempt.abort(`connection lost: ${reason}`);
    this.#attempts = new LiveAttempts();
    this.#onEmpty?.();
    this.#options.onClosed?.(code, reason);
  }

  /** Takes nothing new, lets closures finish for a bounded time, and closes. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    if (this.#closed) return;
    this.#draining = true;
    this.#options.channel.send({ kind: "drain" });
    for (const attempt of this.#attempts.all()) attempt.trySuspend();
    await this.#empty();
    if (this.#closed) return;
    this.#options.channel.close(CloseCode.goingAway, "the worker is shutting down");
    this.onClose(CloseCode.goingAway, "the worker is shutting down");
  }

  #empty(): Promise<void> {
    if (this.#attempts.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, DRAIN_TIMEOUT_MS);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #hostFor({ inactivityTimeoutMs, payloadBytesMax }: Welcome): AttemptHost {
    const { channel, warn } = this.#options;
    return {
      warn,
      send: (message) => channel.send(message),
      onEnded: (attempt, left) => this.#ended(attempt, left),
      onIdle: (attempt) => this.#waits(attempt),
      inactivityTimeoutMs,
      payloadBytesMax,
      turns: new Turns(),
    };
  }

  #start(start: Start): void {
    const { channel } = this.#options;
    const { service, handler: name } = start.target;
    const handler = this.#registrations.get(service)?.handlers.get(name);
    if (handler === undefined || this.#host === undefined) {
      const failure = {
        name: "Error",
        message: `this worker has no handler ${service}/${name}`,
        code: 404,
      };
      const more = { stack: "", command: null, retryAfterMs: null };
      channel.send({ kind: "fail", attempt: start.attempt, failure, ...more });
      return;
    }
    this.#attempts.add(start.attempt, new Attempt(start, handler, this.#host));
    this.#followers.add(start);
  }

  /** The runtime gave its place away before it said so: that makes no room. */
  #abort({ attempt: handle, reason }: Abort): void {
    this.#followers.void(handle);
    this.#attempts.delete(handle)?.abort(reason);
  }

  #ended(handle: number, left: StateView | undefined): void {
    const madeRoom = this.#attempts.delete(handle) !== undefined;
    const next = this.#followers.after(handle, left);
    if (next && !this.#draining) {
      this.#start(next);
      this.#options.channel.expectMore?.();
    }
    if (madeRoom && this.#roomWanted > 0) this.#roomWanted--;
    if (this.#attempts.size === 0) this.#onEmpty?.();
  }

  #waits(handle: number): void {
    this.#attempts.waits(handle);
    this.#makeRoom();
  }

  /** Those that have waited longest go first. */
  #makeRoom(): void {
    while (this.#roomWanted > 0 || this.#draining) {
      const attempt = this.#attempts.takeFirstWaiting();
      if (attempt === undefined) return;
      attempt.trySuspend();
    }
  }
}
