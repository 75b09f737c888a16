/**
 * The workers' side of the runtime: connections in, inputs out, messages back.
 *
 * Owns connections as such: their numbers, the first message, acknowledgements, congestion. The
 * machine owns what a worker is; a channel owns the wire.
 *
 * 1. Inputs of a connection are submitted in the order of its messages; `worker-lost` is the last.
 * 2. The first message is a hello, and there is no second one.
 * 3. Only the highest acknowledgement counts: it leaves with whatever else is sent, or soon alone.
 * 4. Of a connection with many messages that are not acknowledged no more are read until some are:
 *    what a worker floods the runtime with stays with the worker.
 */
import { CloseCode, type Channel, type ChannelHandlers } from "../../protocol/channel.ts";
import type { Target } from "../../protocol/command.ts";
import type { Manifest } from "../../protocol/manifest.ts";
import type { RuntimeMessage, WorkerMessage } from "../../protocol/message.ts";
import type { ConnectionId, Input } from "../core/input.ts";
import type { Log } from "../log.ts";

/** How long a worker may take to say hello. */
const HELLO_TIMEOUT_MS = 5_000;
/** An acknowledgement waits this long for company. */
const ACK_DELAY_MS = 50;
/** Messages without an acknowledgement: above the first reading stops, below the second it goes on. */
const UNACKNOWLEDGED_MAX = 16_384;
const UNACKNOWLEDGED_RELIEVED = 4_096;
/** No new starts above the first, again below the second; the connection ends above the third. */
const CONGESTED_BYTES = 4 * 1024 * 1024;
const RELIEVED_BYTES = 1024 * 1024;
const STALLED_BYTES = 32 * 1024 * 1024;
/** How often a congested connection is looked at, and how long it may stay so. */
const CONGESTION_CHECK_MS = 100;
const STALLED_MS = 60_000;

export interface HubOptions {
  readonly submit: (input: Input) => void;
  readonly log: Log;
}

export interface Hub {
  /** A new connection. What its channel hears goes to the handlers that come back. */
  accept(channel: Channel<RuntimeMessage>): ChannelHandlers<WorkerMessage>;
  /** Performs a `message` effect. */
  send(connection: ConnectionId, message: RuntimeMessage): void;
  /** What was sent so far leaves now: the loop prepares a commit next, which takes a while. */
  flush(): void;
  /** Performs a `close-connection` effect. */
  close(connection: ConnectionId, code: number, reason: string): void;
  /** Live connections of a version, for people; with a target those that serve it and do not leave. */
  workersOf(version: string, serving?: Target): number;
  /** Closes all connections and takes no more. */
  shutdown(): void;
}

export function createHub({ submit, log }: HubOptions): Hub {
  const connections = new Map<ConnectionId, Connection>();
  let nextId = 1;
  let down = false;
  return {
    accept: (channel) => {
      const id = nextId++;
      const connection = new Connection({
        id,
        channel,
        submit,
        log,
        onClosed: () => connections.delete(id),
      });
      connections.set(id, connection);
      if (down) connection.close(CloseCode.goingAway, "the runtime is shutting down");
      return connection;
    },
    send: (id, message) => connections.get(id)?.send(message),
    flush: () => {
      for (const connection of connections.values()) connection.flush();
    },
    close: (id, code, reason) => connections.get(id)?.close(code, reason),
    workersOf: (version, serving) =>
      [...connections.values()].filter(
        (it) => it.version === version && (serving === undefined || it.serves(serving)),
      ).length,
    shutdown: () => {
      down = true;
      for (const connection of [...connections.values()]) {
        connection.close(CloseCode.goingAway, "the runtime is shutting down");
      }
    },
  };
}

interface ConnectionOptions {
  readonly id: ConnectionId;
  readonly channel: Channel<RuntimeMessage>;
  readonly submit: (input: Input) => void;
  readonly log: Log;
  readonly onClosed: () => void;
}

class Connection implements ChannelHandlers<WorkerMessage> {
  readonly #options: ConnectionOptions;
  #phase: "awaiting-hello" | "live" | "closed" = "awaiting-hello";
  #version: string | undefined;
  /** Of its hello; undefined before that and once it leaves. */
  #manifest: Manifest | undefined;
  #ordinal = 0;
  #acknowledged = 0;
  #reading = true;
  #ackTo = 0;
  #ackTimer: NodeJS.Timeout | undefined;
  #congestedSinceMs: number | undefined;
  #congestionTimer: NodeJS.Timeout | undefined;
  readonly #helloTimer: NodeJS.Timeout;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#helloTimer = setTimeout(() => {
      this.close(CloseCode.protocolError, `no hello within ${HELLO_TIMEOUT_MS} ms`);
    }, HELLO_TIMEOUT_MS);
    this.#helloTimer.unref();
  }

  get version(): string | undefined {
    return this.#phase === "live" ? this.#version : undefined;
  }

  serves({ service, handler }: Target): boolean {
    const found = this.#manifest?.services.find((it) => it.name === service);
    return found?.handlers.some((it) => it.name === handler) ?? false;
  }

  onMessage(message: WorkerMessage, more = false): void {
    if (this.#phase === "closed") return;
    this.#ordinal++;
    this.#watchFlood();
    const { id: connection, submit, log } = this.#options;
    if (message.kind === "hello") {
      if (this.#phase === "live") {
        this.close(CloseCode.protocolError, "a second hello");
        return;
      }
      clearTimeout(this.#helloTimer);
      this.#phase = "live";
      this.#version = message.version;
      this.#manifest = message.manifest;
      const services = message.manifest.services.map((it) => it.name).join(", ");
      const { version, sdk, concurrency } = message;
      log.info({ connection, version, sdk, concurrency, services }, "a worker registers");
      submit({ kind: "worker-hello", connection, hello: message });
    } else if (this.#phase !== "live") {
      this.close(CloseCode.protocolError, `the first message is a hello, not ${message.kind}`);
    } else if (message.kind === "drain") {
      this.#manifest = undefined;
      submit({ kind: "worker-drain", connection, ordinal: this.#ordinal });
    } else {
      const ordinal = more ? 0 : this.#ordinal;
      submit({ kind: "worker-message", connection, ordinal, message, diskWaitMs: 0 });
    }
  }

  onClose(code: number, reason: string): void {
    if (this.#phase === "closed") return;
    const { id: connection, submit, log, onClosed } = this.#options;
    const registered = this.#phase === "live";
    this.#phase = "closed";
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#ackTimer);
    clearInterval(this.#congestionTimer);
    onClosed();
    log.info({ connection, code, reason }, "a worker's connection ended");
    if (registered) submit({ kind: "worker-lost", connection, reason });
  }

  send(message: RuntimeMessage): void {
    if (this.#phase === "closed") return;
    if (message.kind === "ack") {
      this.#ackTo = Math.max(this.#ackTo, message.upTo);
      this.#acknowledged = this.#ackTo;
      this.#watchFlood();
      this.#ackTimer ??= setTimeout(() => this.#flushAck(), ACK_DELAY_MS).unref();
      return;
    }
    this.#flushAck();
    const { channel, submit, id: connection } = this.#options;
    channel.send(message);
    // From now on there is a welcome before everything else.
    if (message.kind === "welcome")
      submit({ kind: "worker-congestion", connection, congested: false });
    else this.#watchBuffer();
  }

  flush(): void {
    this.#options.channel.flush?.();
  }

  close(code: number, reason: string): void {
    if (this.#phase === "closed") return;
    this.#options.channel.close(code, reason);
    this.onClose(code, reason);
  }

  #flushAck(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if (this.#ackTo === 0) return;
    this.#options.channel.send({ kind: "ack", upTo: this.#ackTo });
    this.#ackTo = 0;
    this.#watchBuffer();
  }

  #watchFlood(): void {
    const open = this.#ordinal - this.#acknowledged;
    const reading = this.#reading ? open <= UNACKNOWLEDGED_MAX : open < UNACKNOWLEDGED_RELIEVED;
    if (reading === this.#reading) return;
    this.#reading = reading;
    this.#options.channel.setReading?.(reading);
  }

  #watchBuffer(): void {
    if (this.#congestedSinceMs !== undefined) return;
    const { channel, submit, id: connection } = this.#options;
    if (channel.bufferedBytes() < CONGESTED_BYTES) return;
    this.#congestedSinceMs = performance.now();
    submit({ kind: "worker-congestion", connection, congested: true });
    this.#congestionTimer = setInterval(() => this.#checkBuffer(), CONGESTION_CHECK_MS).unref();
  }

  #checkBuffer(): void {
    const { channel, submit, id: connection } = this.#options;
    const bytes = channel.bufferedBytes();
    const stalledMs = performance.now() - (this.#congestedSinceMs ?? 0);
    if (bytes > STALLED_BYTES || stalledMs > STALLED_MS) {
      this.close(CloseCode.unresponsive, `${bytes} bytes were not read in time`);
      return;
    }
    if (bytes > RELIEVED_BYTES) return;
    clearInterval(this.#congestionTimer);
    this.#congestedSinceMs = undefined;
    submit({ kind: "worker-congestion", connection, congested: false });
  }
}
