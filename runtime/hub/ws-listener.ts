/**
 * Workers dial in here: the only file of the runtime that knows WebSockets.
 *
 * 1. A frame that breaks the protocol closes its connection, with a code and a reason; everything
 *    else goes on.
 * 2. One frame leaves per connection and event-loop turn.
 * 3. A connection that answers no ping and sends nothing for the worker timeout is ended. Silence is
 *    counted in ticks of our own timer: a stall of this process is nobody's silence.
 * 4. Browsers are refused: a request with an Origin is one.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type RawData, type WebSocket } from "ws";
import { CloseCode, type Channel, type ChannelHandlers } from "../../protocol/channel.ts";
import { encodeFrames, workerMessageDecoder } from "../../protocol/codec.ts";
import { ProtocolError } from "../../protocol/fields.ts";
import { SUBPROTOCOL, type RuntimeMessage } from "../../protocol/message.ts";
import type { Limits } from "../core/limits.ts";
import type { Log } from "../log.ts";
import type { Hub } from "./hub.ts";

/** Beside a payload a message holds names, headers and numbers. */
const MESSAGE_SLACK_BYTES = 1024 * 1024;
const FRAGMENTS_MAX = 16;
const PINGS_PER_TIMEOUT = 3;
const PARTITION = 0;
/** A close reason has room for 123 bytes. */
const REASON_CHARACTERS_MAX = 40;

export interface WorkerListenerOptions {
  readonly hub: Hub;
  readonly limits: Limits;
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
  const { limits, log } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: limits.frameBytesMax,
    // In ws since 8.21, not yet in its types: small fragments must not add up to a large memory.
    ...({ maxFragments: FRAGMENTS_MAX } as object),
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  const server = createServer((_, response) => {
    response.writeHead(426, { "content-type": "text/plain" });
    response.end(`workers connect here by WebSocket, subprotocol ${SUBPROTOCOL}\n`);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", (error) => log.debug({ error: error.message }, "a worker's socket failed"));
    const refusal = refuse(request, options.token);
    if (refusal) {
      socket.end(`HTTP/1.1 ${refusal.status}\r\nconnection: close\r\n\r\n${refusal.reason}\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      new WorkerSocket(webSocket, options);
    });
  });
  return {
    server,
    setPressure: (pressed) => {
      for (const socket of sockets.clients) {
        if (pressed) socket.pause();
        else socket.resume();
      }
    },
    close: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
  };
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
  readonly #frameBytesMax: number;
  readonly #handlers: ChannelHandlers<unknown>;
  #outgoing: RuntimeMessage[] = [];
  #missedTicks = 0;

  constructor(socket: WebSocket, { hub, limits, log }: WorkerListenerOptions) {
    this.#socket = socket;
    this.#frameBytesMax = limits.frameBytesMax;
    const decoder = workerMessageDecoder({
      frameBytesMax: limits.frameBytesMax,
      messageBytesMax: limits.payloadBytesMax + MESSAGE_SLACK_BYTES,
    });
    socket.on("error", (error) => log.debug({ error: error.message }, "a worker's socket failed"));
    const handlers = hub.accept(this);
    this.#handlers = handlers;
    socket.on("message", (data, isBinary) => {
      this.#missedTicks = 0;
      try {
        if (!isBinary) throw new ProtocolError("frames are binary");
        for (const message of decoder.decode(bytesOf(data)).messages) handlers.onMessage(message);
      } catch (error) {
        this.#refuse(error);
      }
    });
    socket.on("pong", () => (this.#missedTicks = 0));
    socket.on("close", (code, reason) => handlers.onClose(code, reason.toString()));
    this.#startPings(limits.workerTimeoutMs);
  }

  send(message: RuntimeMessage): void {
    if (this.#outgoing.length === 0) setImmediate(() => this.#flush());
    this.#outgoing.push(message);
  }

  bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close(code: number, reason: string): void {
    this.#flush();
    this.#socket.close(code, reason.slice(0, REASON_CHARACTERS_MAX * 3));
  }

  #flush(): void {
    const messages = this.#outgoing;
    this.#outgoing = [];
    if (messages.length === 0 || this.#socket.readyState !== this.#socket.OPEN) return;
    for (const frame of encodeFrames(PARTITION, messages, this.#frameBytesMax)) {
      this.#socket.send(frame);
    }
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
      this.#missedTicks++;
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
