/**
 * Workers dial in here: the only file of the runtime that knows WebSockets.
 *
 * 1. A frame that breaks the protocol closes its connection, with a code and a reason; everything
 *    else goes on.
 * 2. One frame leaves per connection and event-loop turn: when the loop has applied what came in, or at
 *    the end of the turn, with what was sent since.
 * 3. A connection that answers no ping and sends nothing for the worker timeout is ended. Silence is
 *    counted in ticks of our own timer: a stall of this process is nobody's silence.
 * 4. A connection from which nothing is read, by our own choice, is not silent.
 * 5. Browsers are refused: a request with an Origin is one.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type RawData, type WebSocket } from "ws";
import {
  CloseCode,
  closeReason,
  type Channel,
  type ChannelHandlers,
} from "../../protocol/channel.ts";
import { encodeFrames, workerMessageDecoder } from "../../protocol/codec.ts";
import { ProtocolError } from "../../protocol/fields.ts";
import { SUBPROTOCOL, type RuntimeMessage } from "../../protocol/message.ts";
import {
  FIRST_FRAME_BYTES_MAX,
  MANIFEST_LENGTH_MAX,
  messageBytesMax,
} from "../../protocol/wire-limits.ts";
import type { Limits } from "../core/limits.ts";
import type { HttpLimits } from "../http/http-limits.ts";
import type { Log } from "../log.ts";
import type { Hub } from "./hub.ts";

/** Nobody has said hello yet: no larger frames, and no message but one with a manifest (in UTF-8). */
const FIRST_LIMITS = {
  frameBytesMax: FIRST_FRAME_BYTES_MAX,
  messageBytesMax: messageBytesMax(3 * MANIFEST_LENGTH_MAX),
};
const FRAGMENTS_MAX = 16;
const PINGS_PER_TIMEOUT = 3;
const PARTITION = 0;
/** How long a peer may take to answer a close; what it says meanwhile is thrown away. */
const CLOSE_TIMEOUT_MS = 5_000;

export interface WorkerListenerOptions {
  readonly hub: Hub;
  readonly limits: Limits;
  /** Until a connection is a WebSocket it is an HTTP request like any other. */
  readonly httpLimits: HttpLimits;
  readonly log: Log;
  /** Bearer token that workers must show; undefined when none is needed. */
  readonly token: string | undefined;
}

export interface WorkerListener {
  readonly server: Server;
  /** Stop or go on reading from all workers: more is undurable than is good. */
  setPressure(pressed: boolean): void;
  /** Ends all connections. */
  close(): void;
}

export function createWorkerListener(options: WorkerListenerOptions): WorkerListener {
  const { limits, httpLimits, log } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: limits.frameBytesMax,
    // Small fragments must not add up to a large memory.
    maxFragments: FRAGMENTS_MAX,
    // In ws since 8.19, not yet in its types.
    ...({ closeTimeout: CLOSE_TIMEOUT_MS } as object),
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  const server = serverFor(httpLimits);
  const live = new Set<WorkerSocket>();
  let pressed = false;
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", (error) => log.debug({ error: error.message }, "a worker's socket failed"));
    const refusal = refuse(request, options.token);
    if (refusal) {
      socket.end(`HTTP/1.1 ${refusal.status}\r\nconnection: close\r\n\r\n${refusal.reason}\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const worker = new WorkerSocket(webSocket, options);
      live.add(worker);
      webSocket.on("close", () => live.delete(worker));
      worker.setPressure(pressed);
    });
  });
  return {
    server,
    setPressure: (now) => {
      pressed = now;
      for (const worker of live) worker.setPressure(pressed);
    },
    close: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
  };
}

function serverFor(limits: HttpLimits): Server {
  const options = {
    maxHeaderSize: limits.headBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
    keepAliveTimeout: limits.keepAliveMs,
  };
  const server = createServer(options, (_, response) => {
    response.writeHead(426, { "content-type": "text/plain" });
    response.end(`workers connect here by WebSocket, subprotocol ${SUBPROTOCOL}\n`);
  });
  server.maxConnections = limits.connectionsMax;
  return server;
}

function refuse(
  request: IncomingMessage,
  token: string | undefined,
): { readonly status: string; readonly reason: string } | undefined {
  if (request.headers.origin !== undefined) {
    return { status: "403 Forbidden", reason: "workers are not browsers: no Origin, please" };
  }
  const offered = request.headers["sec-websocket-protocol"] ?? "";
  if (!offered.split(",").some((it) => it.trim() === SUBPROTOCOL)) {
    return { status: "400 Bad Request", reason: `offer the subprotocol ${SUBPROTOCOL}` };
  }
  // By hand: a URL parser throws at what a hostile peer can write here.
  if (request.url?.split("?", 1)[0] !== "/") {
    return { status: "404 Not Found", reason: "workers connect at /" };
  }
  if (token !== undefined && !sameToken(request.headers.authorization, token)) {
    return { status: "401 Unauthorized", reason: "send the worker token as a bearer token" };
  }
  return undefined;
}

/** Digests have one length, so that the comparison tells nothing about the token. */
function sameToken(header: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(header ?? ""), digest(`Bearer ${token}`));
}

/** One worker's WebSocket as a channel. */
class WorkerSocket implements Channel<RuntimeMessage> {
  readonly #socket: WebSocket;
  readonly #limits: Limits;
  readonly #decoder = workerMessageDecoder(FIRST_LIMITS);
  readonly #handlers: ChannelHandlers<unknown>;
  #outgoing: RuntimeMessage[] = [];
  #missedTicks = 0;
  #pressed = false;
  #reading = true;
  #over = false;

  constructor(socket: WebSocket, { hub, limits, log }: WorkerListenerOptions) {
    this.#socket = socket;
    this.#limits = limits;
    socket.on("error", (error) => log.debug({ error: error.message }, "a worker's socket failed"));
    const handlers = hub.accept(this);
    this.#handlers = handlers;
    socket.on("message", (data, isBinary) => {
      // It has been refused, and may go on until the connection is gone.
      if (this.#over) return;
      this.#missedTicks = 0;
      try {
        if (!isBinary) throw new ProtocolError("frames are binary");
        const { messages } = this.#decoder.decode(bytesOf(data));
        const last = messages.length - 1;
        messages.forEach((message, at) => handlers.onMessage(message, at < last));
      } catch (error) {
        this.#refuse(error);
      }
    });
    socket.on("pong", () => (this.#missedTicks = 0));
    socket.on("close", (code, reason) => handlers.onClose(code, reason.toString()));
    this.#startPings(limits.workerTimeoutMs);
  }

  send(message: RuntimeMessage): void {
    if (message.kind === "welcome") {
      const { frameBytesMax, payloadBytesMax } = this.#limits;
      this.#decoder.setLimits({ frameBytesMax, messageBytesMax: messageBytesMax(payloadBytesMax) });
    }
    if (this.#outgoing.length === 0) setImmediate(() => this.flush());
    this.#outgoing.push(message);
  }

  flush(): void {
    if (this.#outgoing.length === 0) return;
    const messages = this.#outgoing;
    this.#outgoing = [];
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    for (const frame of encodeFrames(PARTITION, messages, this.#limits.frameBytesMax)) {
      this.#socket.send(frame);
    }
  }

  bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close(code: number, reason: string): void {
    this.flush();
    this.#over = true;
    this.#socket.close(code, closeReason(reason));
    // What it has sent stands before its answer to the close.
    this.#socket.resume();
  }

  setReading(reading: boolean): void {
    this.#reading = reading;
    this.#readOrNot();
  }

  /** More is undurable than is good. */
  setPressure(pressed: boolean): void {
    this.#pressed = pressed;
    this.#readOrNot();
  }

  #readOrNot(): void {
    if (this.#over) return;
    if (this.#reading && !this.#pressed) this.#socket.resume();
    else this.#socket.pause();
  }

  #refuse(error: unknown): void {
    const known = error instanceof ProtocolError;
    const code = known ? error.closeCode : CloseCode.protocolError;
    const reason = known ? error.message : "the message could not be handled";
    this.close(code, reason);
    this.#handlers.onClose(code, reason);
  }

  #startPings(timeoutMs: number): void {
    const timer = setInterval(() => {
      if (!this.#socket.isPaused) this.#missedTicks++;
      if (this.#missedTicks > PINGS_PER_TIMEOUT) {
        clearInterval(timer);
        this.#handlers.onClose(CloseCode.unresponsive, `silent for ${timeoutMs} ms`);
        this.#socket.terminate();
      } else if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
    }, timeoutMs / PINGS_PER_TIMEOUT);
    timer.unref();
    this.#socket.on("close", () => clearInterval(timer));
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return Array.isArray(data) ? Buffer.concat(data) : data;
}
