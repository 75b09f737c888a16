/**
 * A worker's WebSocket as a channel: the only file of the SDK that knows WebSockets.
 *
 * A runtime that sends nothing for the worker timeout, not even a ping, counts as dead.
 */
import { WebSocket, type RawData } from "ws";
import {
  CloseCode,
  closeReason,
  type Channel,
  type ChannelHandlers,
} from "../../protocol/channel.ts";
import { encodeFrames, runtimeMessageDecoder } from "../../protocol/codec.ts";
import { ProtocolError } from "../../protocol/fields.ts";
import {
  SUBPROTOCOL,
  type RuntimeMessage,
  type Welcome,
  type WorkerMessage,
} from "../../protocol/message.ts";
import {
  FIRST_FRAME_BYTES_MAX,
  FRAME_BYTES_CEILING,
  messageBytesMax,
} from "../../protocol/wire-limits.ts";
import { makesNoMask, zeroMask } from "./frame-mask.ts";
import { RegistrationRefusedError } from "./registration-refused.ts";

const PARTITION = 0;
/** What is ready is not kept for longer, however much more is expected. */
const HELD_MS_MAX = 2;
/** So many leave at once: the runtime can be at them while a handler that sends a thousand goes on. */
const MESSAGES_HELD_MAX = 256;
/** Until the welcome says what the runtime's limits are. */
const FIRST_PAYLOAD_BYTES_MAX = 64 * 1024;

export interface DialOptions {
  readonly url: string;
  readonly token: string | undefined;
  /** Silence after which the runtime counts as dead. */
  readonly timeoutMs: number;
  /** Ends the dialing at once. */
  readonly signal: AbortSignal;
}

export interface Dialed extends Channel<WorkerMessage> {
  attach(handlers: ChannelHandlers<RuntimeMessage>): void;
  /** The runtime has said what its limits are. */
  setLimits(welcome: Welcome): void;
  /** Ends at once, without a close handshake. */
  terminate(): void;
}

/**
 * Resolves when the connection is open; rejects with the reason when it cannot be, with
 * RegistrationRefusedError when it never will.
 */
export async function dial(options: DialOptions): Promise<Dialed> {
  const { url, token, timeoutMs, signal } = options;
  signal.throwIfAborted();
  const socket = new WebSocket(url, SUBPROTOCOL, {
    perMessageDeflate: false,
    maxPayload: FRAME_BYTES_CEILING,
    followRedirects: false,
    handshakeTimeout: timeoutMs,
    ...(makesNoMask(url) ? { generateMask: zeroMask } : {}),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  const stop = (): void => socket.terminate();
  signal.addEventListener("abort", stop);
  try {
    return await opened(socket, options);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function opened(socket: WebSocket, { url, timeoutMs }: DialOptions): Promise<Dialed> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("unexpected-response", (_, response) => {
      response.resume();
      const { statusCode } = response;
      const wrongToken = `the runtime at ${url} wants another worker token: set HOLDFAST_WORKER_TOKEN, or token`;
      if (statusCode === 401) reject(new RegistrationRefusedError(wrongToken));
      else reject(new Error(`the runtime at ${url} answered ${statusCode}`));
    });
    socket.once("open", () => {
      socket.off("error", reject);
      // Here and not later: nothing that comes right behind may find nobody listening.
      resolve(new WorkerChannel(socket, timeoutMs));
    });
  });
}

class WorkerChannel implements Dialed {
  readonly #socket: WebSocket;
  readonly #decoder = runtimeMessageDecoder({
    frameBytesMax: FIRST_FRAME_BYTES_MAX,
    messageBytesMax: messageBytesMax(FIRST_PAYLOAD_BYTES_MAX),
  });
  #frameBytesMax = FIRST_FRAME_BYTES_MAX;
  #handlers: ChannelHandlers<RuntimeMessage> | undefined;
  #outgoing: WorkerMessage[] = [];
  /** When the first of them was sent. */
  #sinceMs = 0;
  #moreExpected = false;
  #silence: NodeJS.Timeout;
  #over = false;

  constructor(socket: WebSocket, timeoutMs: number) {
    this.#socket = socket;
    this.#silence = setTimeout(
      () => this.#finish(CloseCode.unresponsive, "the runtime is silent"),
      timeoutMs,
    );
    // The process that serves stays alive by its socket; a lost one must not keep it.
    this.#silence.unref();
    const heard = (): void => void this.#silence.refresh();
    socket.on("ping", heard);
    socket.on("message", (data, isBinary) => {
      heard();
      this.#receive(data, isBinary);
    });
    socket.on("error", (error) => this.#finish(1006, error.message));
    socket.on("close", (code, reason) => this.#finish(code, reason.toString()));
  }

  attach(handlers: ChannelHandlers<RuntimeMessage>): void {
    this.#handlers = handlers;
  }

  setLimits({ frameBytesMax, payloadBytesMax }: Welcome): void {
    this.#frameBytesMax = frameBytesMax;
    this.#decoder.setLimits({ frameBytesMax, messageBytesMax: messageBytesMax(payloadBytesMax) });
  }

  send(message: WorkerMessage): void {
    if (this.#over) return;
    if (this.#outgoing.length === 0) {
      this.#sinceMs = performance.now();
      setImmediate(this.#flushUnlessMore);
    }
    this.#outgoing.push(message);
    if (this.#outgoing.length >= MESSAGES_HELD_MAX) this.#flush();
  }

  expectMore(): void {
    this.#moreExpected = true;
  }

  readonly #flushUnlessMore = (): void => {
    const waits = this.#moreExpected && performance.now() - this.#sinceMs < HELD_MS_MAX;
    this.#moreExpected = false;
    if (waits) setImmediate(this.#flushUnlessMore);
    else this.#flush();
  };

  bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close(code: number, reason: string): void {
    this.#flush();
    this.#socket.close(code, closeReason(reason));
  }

  terminate(): void {
    this.#socket.terminate();
  }

  #flush(): void {
    const messages = this.#outgoing;
    this.#outgoing = [];
    if (messages.length === 0 || this.#socket.readyState !== this.#socket.OPEN) return;
    for (const frame of encodeFrames(PARTITION, messages, this.#frameBytesMax)) {
      this.#socket.send(frame);
    }
  }

  #receive(data: RawData, isBinary: boolean): void {
    // A runtime that was refused may go on until the connection is gone.
    if (this.#over) return;
    try {
      if (!isBinary) throw new ProtocolError("frames are binary");
      const { messages } = this.#decoder.decode(bytesOf(data));
      for (const message of messages) this.#handlers?.onMessage(message);
    } catch (error) {
      const code = error instanceof ProtocolError ? error.closeCode : CloseCode.protocolError;
      const reason = error instanceof Error ? error.message : "a message could not be handled";
      this.close(code, reason);
      this.#finish(code, reason);
    }
  }

  #finish(code: number, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#silence);
    if (code === CloseCode.unresponsive) this.#socket.terminate();
    this.#handlers?.onClose(code, reason);
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return Array.isArray(data) ? Buffer.concat(data) : data;
}
